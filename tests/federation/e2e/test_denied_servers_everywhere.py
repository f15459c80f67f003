"""AF_10064-02: the same answer about servers that are not talked to, from every process of a server."""

import pytest

from tests.support.world import CLIENT, code, error_text

pytestmark = pytest.mark.servers

STRANGER = "stranger.example"
REQUESTS = [
    ("GET", f"{CLIENT}/profile/@user:{STRANGER}"),
    ("GET", f"{CLIENT}/directory/room/%23any:{STRANGER}"),
    ("POST", f"{CLIENT}/join/!room:{STRANGER}?via={STRANGER}"),
    ("POST", f"{CLIENT}/knock/!room:{STRANGER}?via={STRANGER}"),
    ("GET", f"/_matrix/client/v1/media/download/{STRANGER}/abc"),
    ("GET", f"/_matrix/client/v1/room_summary/!room:{STRANGER}?via={STRANGER}"),
]


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("server", ["hospital", "insurer"])
@pytest.mark.requirement("AF_10064-02", "A_26328")
def test_a_25534_every_process_says_that_a_server_is_no_member(world, server, admin):
    user = world.user(getattr(world, server), admin=admin)
    expected = user.try_create_room(invite=[f"@user:{STRANGER}"])
    assert code(expected) == (403, "M_FORBIDDEN")
    for method, path in REQUESTS:
        answer = user.request(method, path, {} if method == "POST" else None)
        assert (code(answer), error_text(answer)) == (code(expected), error_text(expected)), path
    # The nearest allowed; to insured persons profiles are shown with a room in common.
    answer = user.profile(world.user(world.lax).user_id)
    assert answer.status_code == (200 if server == "hospital" else 403)
    assert "AF_10064-02" not in answer.text
