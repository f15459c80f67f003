"""The tables of Synapse that cleanup reads."""

#: The columns of Synapse's tables that are looked at.
SCHEMA = """
    CREATE TABLE rooms (room_id TEXT PRIMARY KEY, creator TEXT);
    CREATE TABLE events (event_id TEXT PRIMARY KEY, room_id TEXT, type TEXT, sender TEXT, state_key TEXT,
        received_ts BIGINT, stream_ordering INTEGER, outlier BOOLEAN, rejection_reason TEXT);
    CREATE TABLE event_json (event_id TEXT PRIMARY KEY, json TEXT, internal_metadata TEXT);
    CREATE TABLE current_state_events
        (event_id TEXT, room_id TEXT, type TEXT, state_key TEXT, membership TEXT);
    CREATE TABLE room_memberships (event_id TEXT, room_id TEXT, user_id TEXT, membership TEXT);
    CREATE TABLE local_current_membership
        (room_id TEXT, user_id TEXT, membership TEXT, event_id TEXT);
    CREATE TABLE partial_state_rooms (room_id TEXT);
    CREATE TABLE scheduled_tasks (action TEXT, status TEXT, resource_id TEXT, timestamp BIGINT,
        params TEXT);
    CREATE TABLE federation_stream_position (type TEXT, stream_id INTEGER);
    CREATE TABLE destinations (destination TEXT, last_successful_stream_ordering INTEGER);
    CREATE TABLE destination_rooms (destination TEXT, room_id TEXT, stream_ordering INTEGER);
    CREATE TABLE event_forward_extremities (event_id TEXT, room_id TEXT);
    CREATE TABLE room_retention (room_id TEXT, event_id TEXT);
    CREATE TABLE event_labels (event_id TEXT, label TEXT);
    CREATE TABLE event_expiry (event_id TEXT);
    CREATE TABLE synapse_tim_cleanup_rooms
        (room_id TEXT PRIMARY KEY, kind TEXT, since_ts BIGINT, begun_ts BIGINT);
"""
