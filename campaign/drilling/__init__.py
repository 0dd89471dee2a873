"""The drill: a throw-away installation is put under load and under the axe, and what is left is checked.

:mod:`~campaign.drilling.plan` draws what happens when; :mod:`~campaign.drilling.site` runs the installation;
:mod:`~campaign.drilling.receiver` is the mail server with faults; :mod:`~campaign.drilling.people` sign, confirm and
change their minds; :mod:`~campaign.drilling.watching` looks on; :mod:`~campaign.drilling.verdict` judges the evidence,
and knows nothing of how it came about. docs/decisions/0013-drill.md says why.
"""
