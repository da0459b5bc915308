"""Where the data files shipped with this package lie."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

CARRIERS = FOLDER / "carriers.toml"  # carriers, accounts, speeds, senders, prices; no secrets
DEFAULTS = FOLDER / "defaults.toml"  # profiles: what a kind of run changes
PREFIXES = FOLDER / "prefixes.csv"  # mobile prefixes and who owns them, with source and status a row
PREFIX_CONVERSION = FOLDER / "prefix_conversion_2018.csv"  # 11-digit numbers of before 2018 and what they became
COMPLIANCE = FOLDER / "compliance.toml"  # what the law asks of a class of campaigns, by day, with its source
UNITS = FOLDER / "units"  # administrative units, one file a province
LAI_CHAU = UNITS / "lai_chau_units.csv"
TEXT_LIMITS = FOLDER / "text_limits.toml"  # how long a text may be at each carrier, and from where on it costs more
HOTLINES = FOLDER / "hotlines.toml"  # numbers that people may be told to call: owner, hours, cost, dates
