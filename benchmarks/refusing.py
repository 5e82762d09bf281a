"""A registry behind a front that refuses more than 50 requests at once, as gateways do."""

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Command, measured
from benchmarks.peers import MIRROR, Job
from benchmarks.registries import fill, fresh, workplace
from benchmarks.results import Check, Finding, Row
from benchmarks.way import Distance, away
from tests.real.conftest import free_port, process
from tests.real.test_fronts import nginx

# Behind the front, so that requests are in flight there for a while.
_FAR_AWAY = Distance(round_trip=0.05, opening=0.05)
_FIXED = (16, 32, 48)
_STATUS = re.compile(r'" ([0-9]{3}) ')
_FRONT = """
limit_conn_zone $server_name zone=all:1m;
server {{
  listen 127.0.0.1:{port};
  access_log {log};
  client_max_body_size 0;
  keepalive_requests 100000;
  limit_conn all 50;
  limit_conn_status 429;
  location / {{
    proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host $http_host;
    proxy_http_version 1.1; proxy_request_buffering off;
  }}
}}"""


def findings(rounds: int) -> Iterator[Finding]:
    """Measure a copy to there with default options, beside fixed limits."""
    rows = [Row("mirror"), *(Row(f"mirror, {most} at once") for most in _FIXED)]
    refused, asked = 0, 0
    with workplace() as folder, fresh(folder, "origin") as origin:
        images = fill(origin)
        for number in range(rounds):
            for row, most in zip(rows, (None, *_FIXED), strict=True):
                place = f"{number}-{most}"
                with fresh(folder, f"target{place}") as target, away(target.port, _FAR_AWAY) as way:
                    port, log = free_port(), folder / f"front-{place}.log"
                    front = _FRONT.format(port=port, log=log, behind=way)
                    with process(*nginx(folder / f"nginx-{place}", front), port=port):
                        pairs = [(f"{origin.host}/{one}", f"127.0.0.1:{port}/{one}")
                                 for one in images]  # fmt: skip
                        words = MIRROR.command(Job(pairs, folder)).words
                        more = [] if most is None else ["--max-per-registry", str(most)]
                        row.costs.append(measured(Command([*words, *more])))
                    if most is None:
                        statuses = _statuses(log)
                        refused, asked = refused + statuses.count("429"), asked + len(statuses)
    best = min(rows[1:], key=lambda row: row.wall)
    checks = [
        Check("share of requests refused", refused / asked, 0.03),
        Check("throughput / best fixed limit", best.wall / rows[0].wall, 0.9, least=True),
    ]
    yield Finding("refusing", "a catalog to a front that takes 50 at once", rows, checks)


def _statuses(log: Path) -> list[str]:
    return _STATUS.findall(log.read_text())
