"""Once a day the log names each carrier that is to be reminded of an order; the reminders themselves a person sends."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime

from campaigns.ledger import orders
from campaigns.ledger.orders import Order
from campaigns.reports.words import local
from workers.house import House

log = logging.getLogger(__name__)


class Chaser:
    """Remembers the day on which it has spoken; used by the sweeper alone."""

    def __init__(self) -> None:
        self._said: date | None = None

    def look(self, house: House, now: datetime | None = None) -> int:
        """Name them, once in each day of the province's calendar; how many."""
        today = local(now or datetime.now(UTC)).date()
        if today == self._said:
            return 0
        with house.begin() as conn:
            late = [order for order in orders.all_orders(conn) if _name(order, today)]
        self._said = today
        return len(late)


def _name(order: Order, today: date) -> bool:
    """Write its line where it is to be reminded; whether it was."""
    stands = orders.stands(order, today)
    if stands.chase:
        log.warning(
            "order %s: %s is to be reminded, figures due %s, %d days left%s; see `dispatcher order remind`",
            order.id,
            order.plan.carrier,
            order.plan.deadline,
            stands.days_left,
            ", overdue" if stands.overdue else ", silent" if stands.silent else "",
        )
    return stands.chase
