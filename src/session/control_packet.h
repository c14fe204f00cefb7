/* A CONTROL packet that is being put together: see send_begin(). */
#pragma once

#include "base/wire.h"
#include "session/path.h"

struct control_packet {
	struct writer w;
	struct challenge *asks; /* it has a challenge, and the last one before that went out then */
	struct jv_time asked_before;
	uint8_t packet[PROTO_CONTROL_MAX];
};
