"""A test driver for gematik's TI-Messenger-Testsuite: its interface in front of real homeservers.

It does what a client does, by the client API of Matrix only, and adds no rule of its own but those that the
document (TiMessengerTestTreiber 2.3.0) gives to the client. Statuses of homeservers are passed on.
"""

from synapse_tim.testing.driver.config import DriverConfig
from synapse_tim.testing.driver.service import TestDriver

__all__ = ["DriverConfig", "TestDriver"]
