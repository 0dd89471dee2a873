"""The drill: a throw-away installation is put under load and its parts are killed; what is left is checked.

:mod:`~campaign.local.drill.plan` draws what happens when; :mod:`~campaign.local.drill.site` runs the installation;
:mod:`~campaign.local.drill.receiver` is the mail server with faults; :mod:`~campaign.local.drill.people` sign, confirm
and change their minds; :mod:`~campaign.local.drill.watching` records what happens;
:mod:`~campaign.local.drill.verdict` judges the evidence and does not know how it was gathered.
docs/decisions/0013-drill.md gives the reasons.
"""
