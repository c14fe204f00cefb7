/* A session as others may see it: plain data, copied out by a worker on request. Times are relative. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "jumpvpn/proto.h"
#include "jumpvpn/reason.h"
#include "jumpvpn/state.h"
#include "session/fault.h"

struct client;
struct known_candidate;
struct session;

#define INFO_NO_PATH 0xff
#define INFO_ADDRESSES 4

enum path_use { PATH_DOWN, PATH_UNPROVEN, PATH_STANDBY, PATH_ACTIVE, PATH_DRAINING };

struct path_info {
	uint8_t path;          /* number of the candidate path */
	char name[64];         /* client: its transport; server: "" */
	char interface[16];    /* client: where it leaves; "": not known */
	enum path_use use;
	enum path_fault fault; /* why it is down */
	struct endpoint remote; /* port 0: none yet */
	uint32_t srtt_us;      /* 0: not measured */
	uint32_t rttvar_us;
	uint32_t loss_ppm;     /* the worse direction, over the loss window */
	uint16_t mtu;          /* longest inner packet that it carries now, as far as is known */
	const char *mtu_state; /* base: nothing is known yet; search; complete; error: probes tell nothing */
	uint64_t last_rx_ms;   /* ago; UINT64_MAX: never */
	uint64_t sent, received; /* packets; while calling: HELLOs, and whatever answered */
	bool calling;            /* no session yet: what came of the HELLOs, in `sent`, is: */
	uint32_t cookies;        /* the server is there, and wants an address proven first */
	uint32_t strange;        /* answers that are not ours, or do not open */
	int error;               /* errno that a socket told last, or 0 */
};

/* What a session is doing now, and what comes next. */
enum session_doing {
	DOING_CONNECTING,   /* client without a session: HELLOs go out */
	DOING_CONFIRMING,   /* BIRTH: waits for the first authentic CONTROL */
	DOING_CARRYING,     /* ATTACHED */
	DOING_PROBING,      /* VOLATILE: is the active path dead? */
	DOING_JUMPING,      /* RECOVERING: a JUMP is out */
	DOING_WAITING,      /* DEGRADED: for a path, or for the policy to allow a jump */
	DOING_NOTHING,      /* TERMINATED */
};

struct session_info {
	uint8_t id[PROTO_SESSION_ID_LEN]; /* zero while connecting */
	char peer[64];
	uint8_t worker;
	enum state state;
	enum reason reason;      /* of the last transition */
	enum session_doing doing;
	uint64_t since_ms;       /* in this state, or connecting */
	uint64_t deadline_ms;    /* until this state must end at most; UINT64_MAX: unbounded */
	uint64_t next_ms;        /* until it probes, jumps or calls next; UINT64_MAX: by itself not at all */
	uint64_t age_ms;
	uint64_t lifetime_left_ms;
	uint32_t state_version, binding_version, epoch;
	enum suite suite;
	uint16_t mtu;
	uint32_t naddresses;     /* may exceed INFO_ADDRESSES: the first ones are here */
	struct prefix address[INFO_ADDRESSES];
	uint32_t nrefused;       /* client: of what the server gives, what is not taken; the first ones are here */
	struct net_refused {
		enum net_item_kind kind;
		struct prefix prefix;
	} refused[INFO_ADDRESSES];
	uint8_t active;          /* number of the active path, or INFO_NO_PATH */
	uint64_t last_authentic_rx_ms; /* ago; UINT64_MAX: never */
	uint64_t since_switch_ms;      /* UINT64_MAX: never switched */
	uint64_t bytes_since_switch;   /* both directions, inner */
	uint32_t switches_left;  /* in this minute */
	uint64_t switches;       /* in all */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* inner */
	uint8_t npaths;
	struct path_info path[PROTO_SLOTS_MAX];
};
/* All that is shown of a session. */
void info_session(struct session *s, struct session_info *out, struct jv_time now);
/* What is shown of a client without a session. */
void info_connecting(const struct client *c, struct session_info *out, struct jv_time now);
