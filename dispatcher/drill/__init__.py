"""`dispatcher drill`: a rehearsal wave while all it runs on is killed, cut and stopped; then the carriers' count.

The carriers' files are the truth; the ledger is held against them number by number, and each invariant of
reliability.md is asked at the end. docs/decisions/015-drill.md says how, and what was measured.
"""

from __future__ import annotations

from dispatcher.drill.run import run
from dispatcher.drill.sabotage import WITHOUT, wishes_of
from dispatcher.drill.table import run as run_table
from dispatcher.drill.wishes import Wishes

__all__ = ["WITHOUT", "Wishes", "run", "run_table", "wishes_of"]
