"""In and out of use: what the journal says of connections that cannot follow."""

from __future__ import annotations

import io
import json

import pytest

from controller.clock import SystemClock
from controller.core.cells import Cell
from controller.core.journal import Journal
from controller.core.presence import Presence
from controller.spec.types import Intent
from tests.fakes.intents import MINIMAL
