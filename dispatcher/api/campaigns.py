"""Campaigns: what is stored, and loading what ships with the program."""

from __future__ import annotations

from fastapi import APIRouter, Response

from campaigns import segments
from campaigns.definition import variants
from campaigns.ledger import registry
from campaigns.terms import Absent
from dispatcher import acts, assemble
from dispatcher.api.shapes import CampaignGiven, CampaignWhole, Loaded, NameInPath
from dispatcher.auth import HouseOf, Reader, Writer

router = APIRouter(prefix="/campaigns", tags=["campaigns"])


@router.get("")
def list_campaigns(house: HouseOf, _person: Reader) -> list[CampaignGiven]:
    """Every campaign in its newest version."""
    with house.begin() as conn:
        found = registry.list_campaigns(conn)
    return [CampaignGiven(name=n, version=v, digest=d, author=a) for n, v, d, a in found]


@router.get("/{name}")
def get_campaign(name: NameInPath, house: HouseOf, _person: Reader) -> CampaignWhole:
    """A campaign with its definition and the texts between which an approver chooses."""
    with house.begin() as conn:
        campaign, version = registry.get_campaign(conn, name)
    texts = {choice: {"text": one.text, "sha256": one.sha256, **_measured(one.text)}
             for choice, one in variants(campaign).items()}  # fmt: skip
    return CampaignWhole(name=name, version=version, digest=campaign.digest, texts=texts, definition=campaign.as_json())


def _measured(text: str) -> dict[str, object]:
    measured = segments.measure(text)
    return {"encoding": measured.encoding, "units": measured.units, "segments": measured.segments}


@router.post("/{name}/load", responses={201: {"model": Loaded}})
def load_campaign(name: NameInPath, house: HouseOf, person: Writer, response: Response) -> Loaded:
    """Store the shipped definition of this name as the campaign's newest version; 200 when it is that already."""
    folder = assemble.definitions() / name
    if name not in {each.name for each in assemble.definitions().iterdir()}:
        raise Absent("no definition {name} ships with this program", name=name)
    campaign = acts.read_definition(house.settings, folder)
    with house.begin() as conn:
        before = {(known, version) for known, version, _, _ in registry.list_campaigns(conn)}
        version = registry.load_campaign(conn, campaign, person.login)
    response.status_code = 200 if (name, version) in before else 201
    return Loaded(name=name, version=version, digest=campaign.digest)
