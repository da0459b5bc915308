"""New hours for a wave whose own passed while the system was down: the same for command line, API and pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import psycopg

from campaigns import compliance, schedule
from campaigns.ledger import late, people, registry
from campaigns.ledger.late import Hours
from campaigns.ledger.waves import Wave
from campaigns.schedule import WavePlan
from campaigns.terms import Problem
from dispatcher.acts import law


def give_hours(
    conn: psycopg.Connection,
    wave: Wave,
    person: people.Person,
    *,
    first: date | None,
    until: date,
    span: tuple[time, time] | None,
    reason: str,
) -> Wave:
    """From `first` (today) to `until`, each day within `span` (as before), local time, as far as the law allows."""
    today = datetime.now(schedule.ZONE).date()
    window = wave.plan["window"]
    opens, closes = span or (time.fromisoformat(window["day_opens"]), time.fromisoformat(window["day_closes"]))
    new = WavePlan(wave.no, wave.name, first or today, until, opens, closes)
    if new.until < new.date:
        raise Problem("the new hours end ({last}) before they begin ({first})", last=new.until, first=new.date)
    if not (closes == time(0) or closes > opens):
        raise Problem("hours end after they begin, on the same day: write for instance 08:00-20:00")
    if not wave.rehearsal:
        _within_law(conn, wave, new)
    spans = schedule.windows(new)
    if schedule.is_over(new, datetime.now(UTC)):
        raise Problem("the new hours are over already: name a day that is still to come")
    return late.reopen(conn, wave.id, person, Hours(spans[0].opens_at, spans[-1].closes_at, opens, closes), reason)


def _within_law(conn: psycopg.Connection, wave: Wave, new: WavePlan) -> None:
    campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
    rules = compliance.rules_on(law(), campaign.text.class_, new.date)
    for hour in (new.opens, new.closes):
        if not rules.opens <= hour <= rules.closes:
            raise Problem("{hour} is outside the hours that the law allows: {earliest} to {latest} ({source})",
                          hour=hour, earliest=rules.opens, latest=rules.closes, source=rules.source)  # fmt: skip
