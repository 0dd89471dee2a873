"""The drill: a throw-away installation is put under load and under the axe, and what is left is checked.

:mod:`~campaign.local.drill.plan` draws what happens when; :mod:`~campaign.local.drill.site` runs the installation;
:mod:`~campaign.local.drill.receiver` is the mail server with faults; :mod:`~campaign.local.drill.people` sign, confirm and
change their minds; :mod:`~campaign.local.drill.watching` looks on; :mod:`~campaign.local.drill.verdict` judges the evidence,
and knows nothing of how it came about. docs/decisions/0013-drill.md says why.
"""
