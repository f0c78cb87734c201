"""Sinew from Python: ask in SQL, get Arrow, pandas or polars; write data frames.

```python
import sinew

with sinew.connect() as node:  # SINEW_URL and SINEW_TOKEN
    frame = node.query("SELECT time, value FROM samples WHERE point = 'press/pressure'").pandas()
```
"""

from importlib.metadata import version

from sinew.batches import ArrowStream
from sinew.client import Client, Column, Table, connect
from sinew.errors import InvalidData, PartialWrite, SinewError, Unauthorized, Unavailable
from sinew.lines import Precision
from sinew.result import Result

__version__ = version("sinew")

__all__ = [
    "ArrowStream",
    "Client",
    "Column",
    "InvalidData",
    "PartialWrite",
    "Precision",
    "Result",
    "SinewError",
    "Table",
    "Unauthorized",
    "Unavailable",
    "connect",
]
