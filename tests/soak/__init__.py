"""Random histories against real servers, and a checker that looks for what a sync has lost.

A *history* is a fresh pair of databases, applications that write on both sides, syncs between and
beside them, and faults. `history` plays one by its `script`, `ledger` remembers what applications
committed, `verdict` judges what is left in the end. `python -m soak --help` says how to start it.
"""
