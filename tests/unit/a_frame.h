/* A CONTROL frame with its body in it, for those who make some. */
#pragma once

#include "proto/frame.h"

struct a_frame {
	enum frame_type type;
	union {
		struct frame_ping ping;
		struct frame_pong pong;
		struct frame_jump jump;
		struct frame_jump_ack jump_ack;
		struct frame_jump_reject jump_reject;
		struct frame_path_probe path_probe;
		struct {
			struct frame_locators locators;
			struct wire_locator locator[PROTO_SLOTS_MAX];
		};
		struct frame_rekey rekey;
		struct {
			struct frame_policy policy;
			struct wire_net_item item[POLICY_ITEMS_MAX];
		};
		struct frame_close close;
		struct frame_probe probe;
		struct frame_probe_ack probe_ack;
	};
};

/* As frame_write() and control_frame() take it. */
#define LIES(f) (&(struct frame){ (f)->type, { &(f)->ping } })
