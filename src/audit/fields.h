/*
 * The fields of an audit record, once: their keys, where they stand in the record, and which records carry them. The
 * writers of JSON and of text and the reader of logs go along this table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "audit/record.h"

enum field_kind {
	FIELD_U8,
	FIELD_U32,
	FIELD_U64,
	FIELD_COUNT, /* uint64_t, not zero */
	FIELD_TIME,  /* struct jv_time, as microseconds */
	FIELD_EVENT,
	FIELD_STATE,
	FIELD_STATES, /* one name for both `from` and `to` */
	FIELD_REASON,
	FIELD_ROLE,
	FIELD_HEX,  /* of `size` bytes */
	FIELD_TEXT, /* of `size` bytes at most, and no more NUL than there is room for */
	FIELD_REMOTE,
};

/* Which records carry a field. */
enum field_when {
	FIELD_ALWAYS,
	FIELD_FILLED,     /* where it is not zero, empty or AUDIT_NO_PATH */
	FIELD_BUDGET,     /* from here: of these events, and of others where it is not zero */
	FIELD_ELAPSED,
	FIELD_RETRY,
	FIELD_EPOCH,
	FIELD_TRAFFIC,    /* of these events alone */
	FIELD_SESSION,    /* of those with a session */
	FIELD_TRANSITION, /* of those with a session, a SessionStateChange */
	FIELD_PRESENT,    /* of those with a session, any other */
	FIELD_FLAPS,      /* of a SessionStateChange that stands for several */
	FIELD_BOUNDS,     /* where the bounds are known */
	FIELD_LOST,       /* of an AuditGap */
	FIELD_SEVERAL,    /* of any other that stands for several */
};

struct audit_field {
	const char *key;
	enum field_kind kind;
	enum field_when when;
	unsigned short offset, size; /* in struct audit_record */
	const char *alias; /* its key in text; NULL: the same */
	signed char pass; /* text is written in passes along the table; FIELDS_NONE: the field is not in there */
};

/* In the order in which they stand in JSON. */
extern const struct audit_field audit_fields[];
extern const unsigned int audit_fields_count; /* at most 60: a reader keeps a bit for each, and some of its own */
enum { FIELDS_FIRST_PASS = -1, FIELDS_LAST_PASS = 4, FIELDS_NONE };

bool fields_carried(const struct audit_field *f, const struct audit_record *r);

/* A number, or a text of at most `most` bytes, which ends before at a NUL. */
struct field_value {
	const char *text; /* NULL: a number */
	size_t most;
	uint64_t number;
	char room[ENDPOINT_STRLEN];
};
void fields_value(const struct audit_field *f, const struct audit_record *r, struct field_value *out);
