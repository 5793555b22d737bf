"""Who may drive at all: the PIN, the paired phones and scripts, and where they are kept.

Nothing here knows HTTP; `web/gate.py` asks it who a request comes from.
"""
