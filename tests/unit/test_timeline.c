/* The timeline: what it says of a jump and of a life, word by word, and pictures that stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/chain.h"
#include "cmd/cmd.h"
#include "report/timeline_model.h"
#include "crypto/crypto.h"

struct story {
	FILE *log;
	char path[64];
	struct audit_chain chain;
	struct audit_record now;
	uint64_t seq;
};

static void story_begin(struct story *s, const char *name, bool client)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->path, sizeof(s->path), "/tmp/test_timeline.%d.%s", (int)getpid(), name);
	s->log = fopen(s->path, "w");
	assert_non_null(s->log);
	s->chain.digest = sha256_2;
	s->chain.run[0] = client;
	s->now.has_session = true;
	s->now.client = client;
	s->now.node_id = client ? 0 : 1;
	memset(s->now.session_id, 0xab, sizeof(s->now.session_id));
	strcpy(s->now.peer, client ? "server" : "a<&\"b");
}

static struct audit_record *set(struct story *s, enum audit_event event, enum reason why)
{
	s->now.event = event;
	s->now.reason = why;
	s->now.path_from = s->now.path_to = AUDIT_NO_PATH;
	s->now.path_name[0] = '\0';
	s->now.srtt_us = 0;
	s->now.count = 1;
	return &s->now;
}

static void say(struct story *s, int64_t us)
{
	char line[AUDIT_LINE_MAX];

	s->now.seq = ++s->seq;
	s->now.at.us = 1000000 + us;
	s->now.ts_ms = 1790000000000 + (uint64_t)us / 1000;
	chain_line(line, &s->now, &s->chain, s->seq == 1);
	fprintf(s->log, "%s\n", line);
}

static void go(struct story *s, int64_t us, enum state to, enum reason why)
{
	set(s, AUDIT_SESSION_STATE_CHANGE, why);
	s->now.from = s->now.to;
	s->now.to = to;
	s->now.state_version++;
	say(s, us);
	s->now.from = to;
}

static void move(struct story *s, int64_t us, uint8_t from, uint8_t to)
{
	set(s, AUDIT_TRANSPORT_SWITCH, REASON_HEARTBEAT_TIMEOUT);
	s->now.path_from = from;
	s->now.path_to = to;
	s->now.srtt_us = 20000;
	if (s->now.client)
		strcpy(s->now.path_name, to ? "lte" : "wi-fi");
	s->now.binding_version++;
	say(s, us);
}

static void born(struct story *s)
{
	set(s, AUDIT_SESSION_CREATED, REASON_NONE)->bounds.max_lifetime_ms = 60000;
	say(s, 0);
	s->now.bounds.max_lifetime_ms = 0;
	go(s, 1000, STATE_ATTACHED, REASON_ATTACHED_TO_TRANSPORT);
	set(s, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT)->path_to = 0;
	if (s->now.client)
		strcpy(s->now.path_name, "wi-fi");
	endpoint_parse("192.0.2.1:4433", &s->now.remote);
	say(s, 1000);
	s->now.remote.port = 0;
}

static void jump(struct story *s, int64_t us, uint8_t from)
{
	go(s, us, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(s, us + 500, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(s, us + 84000, from, !from);
	go(s, us + 84000, STATE_ATTACHED, REASON_REATTACH_SUCCESS);
}

static void ends(struct story *s, int64_t us)
{
	go(s, us, STATE_TERMINATED, REASON_OPERATOR_TERMINATED);
	set(s, AUDIT_SESSION_TERMINATED, REASON_OPERATOR_TERMINATED);
	say(s, us);
	fclose(s->log);
}

/* What the command writes to standard output; must be freed. */
static char *output_of(int expected, int argc, char **argv)
{
	char path[64], *text;
	int saved = dup(STDOUT_FILENO);
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "/tmp/test_timeline.%d.out", (int)getpid());
	fflush(stdout);
	assert_non_null(freopen(path, "w", stdout));
	optind = 0;
	assert_int_equal(cmd_timeline(argc, argv), expected);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	f = fopen(path, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = calloc((size_t)n + 1, 1);
	assert_int_equal(fread(text, 1, (size_t)n, f), n);
	fclose(f);
	unlink(path);
	return text;
}

static const char golden[] =
	"session abababababababababababababababab of a<&\"b\n"
	"  2026-09-21 14:13:20.000 UTC to 2026-09-21 14:13:30.000 UTC\n"
	"  - ATTACHED  v VOLATILE  R RECOVERING  D DEGRADED  b BIRTH; the worst of each column; 0 wi-fi 1 lte\n\n"
	"  client          |b-----------------------------------R-----------------------------------|\n"
	"    path          |000000000000000000000000000000000000111111111111111111111111111111111111|\n"
	"  server (node 1) |b-----------------------------------R-----------------------------------|\n"
	"    path          |000000000000000000000000000000000000111111111111111111111111111111111111|\n";

static void test_text(void **state)
{
	char arg0[] = "timeline";
	struct story c, s;
	char *text, *argv[] = { arg0, NULL, NULL, NULL };

	story_begin(&c, "c.jsonl", true);
	born(&c);
	jump(&c, 5000000, 0);
	ends(&c, 10000000);
	story_begin(&s, "s.jsonl", false);
	born(&s);
	jump(&s, 5000000, 0);
	set(&s, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_COOLDOWN_ACTIVE)->count = 3;
	s.now.retry_after_ms = 250;
	say(&s, 6000000);
	s.now.retry_after_ms = 0;
	ends(&s, 10000000);
	argv[1] = c.path;
	argv[2] = s.path;
	text = output_of(EXIT_DONE, 3, argv);
	if (strncmp(text, golden, strlen(golden)) != 0)
		assert_string_equal(text, golden);
	assert_non_null(strstr(text, "14:13:25.084      83 ms  client           TransportSwitch wi-fi -> lte "
				     "heartbeat_timeout rtt 20 ms\n"));
	assert_non_null(strstr(
		text, "server (node 1)  SessionStateChange RECOVERING -> ATTACHED reattach_success\n"));
	assert_non_null(strstr(text,
			       "server (node 1)  TransportSwitchDenied cooldown_active (retry after 250 ms) "
			       "x3\n"));
	free(text);
	unlink(c.path);
	unlink(s.path);
}

/* Each tag that is opened is closed, no name gets out of its text, and the size does not follow the events. */
static void check_picture(const char *svg)
{
	int depth = 0;

	assert_int_equal(strncmp(svg, "<svg xmlns", 10), 0);
	for (const char *p = svg; (p = strchr(p, '<')); p++) {
		const char *end = strchr(p, '>');

		assert_non_null(end);
		if (p[1] == '/')
			depth--;
		else if (end[-1] != '/')
			depth++;
		assert_true(depth >= 0);
	}
	assert_int_equal(depth, 0);
	assert_null(strstr(svg, "<script"));
	assert_null(strstr(svg, "a<&"));
	assert_null(strstr(svg, "nan"));
	assert_null(strstr(svg, "inf"));
}

static void test_picture(void **state)
{
	char arg0[] = "timeline", out[] = "-o", to[] = "-";
	struct story s;
	char *svg, *argv[] = { arg0, out, to, s.path, NULL };

	story_begin(&s, "s.jsonl", false);
	born(&s);
	jump(&s, 5000000, 0);
	ends(&s, 10000000);
	svg = output_of(EXIT_DONE, 4, argv);
	check_picture(svg);
	assert_non_null(strstr(svg, "peer a&lt;&amp;&quot;b"));
	assert_non_null(strstr(svg, "heartbeat_timeout on path 0; on path 1 after 84 ms"));
	assert_non_null(strstr(svg, ">A</text>")); /* the jump is seen under a glass */
	free(svg);

	story_begin(&s, "s.jsonl", false);
	born(&s);
	for (int i = 0; i < 5000; i++)
		jump(&s, 2000000 + 100000 * i, i % 2);
	ends(&s, 600000000);
	svg = output_of(EXIT_DONE, 4, argv);
	check_picture(svg);
	assert_true(strlen(svg) < 200000);
	assert_non_null(strstr(svg, "\xc3\x97")); /* marks that stand for many */
	assert_non_null(strstr(svg, "the longest 14 of 5001 disturbances"));
	free(svg);
	unlink(s.path);
}

/* Many changes in one record: how many, in what time, and the worst of them is drawn over all of it. */
static void test_sum(void **state)
{
	char arg0[] = "timeline";
	struct story s;
	char *text, *argv[] = { arg0, s.path, NULL };

	(void)state;
	story_begin(&s, "s.jsonl", false);
	born(&s);
	set(&s, AUDIT_SESSION_STATE_CHANGE, REASON_HEALTH_RECOVERED);
	s.now.from = s.now.to = STATE_ATTACHED;
	s.now.state_version += 40;
	s.now.count = 40;
	s.now.flaps = (struct audit_flaps){ .attached_ms = 4000, .degraded_ms = 1000, .span_ms = 4000 };
	say(&s, 5000000);
	s.now.count = 1;
	ends(&s, 10000000);
	text = output_of(EXIT_DONE, 2, argv);
	assert_non_null(strstr(text, "SessionStateChange ATTACHED -> ATTACHED health_recovered x40 in 4"));
	assert_non_null(strstr(text, "DDDDDDDD"));
	free(text);
	unlink(s.path);
}

static void test_choice(void **state)
{
	char arg0[] = "timeline", session[] = "--session", right[] = "abab", wrong[] = "abac",
	     from[] = "--from", seconds[] = "6", never[] = "yesterday";
	struct story s;
	char *text, *by_id[] = { arg0, session, right, s.path, NULL },
		    *by_time[] = { arg0, from, seconds, s.path, NULL };

	story_begin(&s, "s.jsonl", false);
	born(&s);
	jump(&s, 5000000, 0);
	ends(&s, 10000000);
	free(output_of(EXIT_DONE, 4, by_id));
	by_id[2] = wrong;
	free(output_of(EXIT_NO, 4, by_id));
	text = output_of(EXIT_DONE, 4, by_time);
	assert_null(strstr(text, "TransportSwitch"));
	assert_non_null(strstr(text, "SessionTerminated"));
	free(text);
	by_time[2] = never;
	free(output_of(EXIT_NO, 4, by_time));
	unlink(s.path);
}

/* As the other commands take it: the name of its peer. The other end's log knows no name, and is drawn all the same. */
static void test_choice_of_peer(void **state)
{
	char arg0[] = "timeline", session[] = "--session", peer[] = "a<&\"b", nobody[] = "nobody";
	struct story s, c;
	char *text, *by_peer[] = { arg0, session, peer, s.path, c.path, NULL };

	story_begin(&s, "s.jsonl", false);
	born(&s);
	ends(&s, 10000000);
	story_begin(&c, "c.jsonl", true);
	born(&c);
	ends(&c, 10000000);
	text = output_of(EXIT_DONE, 5, by_peer);
	assert_non_null(strstr(text, "server (node 1)"));
	assert_non_null(strstr(text, "  client "));
	free(text);
	by_peer[2] = nobody;
	free(output_of(EXIT_NO, 5, by_peer));
	unlink(s.path);
	unlink(c.path);
}

/* A daemon that was killed has not ended its session; what its next run says is no life of it. */
static void test_killed(void **state)
{
	char arg0[] = "timeline", *argv[] = { arg0, NULL, NULL };
	struct story s;
	char *text, *strip;

	story_begin(&s, "s.jsonl", false);
	argv[1] = s.path;
	born(&s);
	s.chain.run[0] = 7;
	s.seq = 0;
	memset(s.now.session_id, 0xcd, sizeof(s.now.session_id));
	s.now.state_version = 0;
	set(&s, AUDIT_SESSION_CREATED, REASON_NONE);
	say(&s, 60000000);
	set(&s, AUDIT_SESSION_STATE_CHANGE, REASON_ATTACHED_TO_TRANSPORT);
	s.now.from = STATE_BIRTH;
	s.now.to = STATE_ATTACHED;
	say(&s, 120000000);
	fclose(s.log);
	text = output_of(EXIT_DONE, 2, argv);
	strip = strchr(strstr(text, "server (node 1)"), '|') + 1;
	assert_int_equal(strip[71], ' ');
	free(text);
	unlink(s.path);
}

static void test_steps(void **state)
{
	assert_int_equal(timeline_step(8000, 8), 1000);
	assert_int_equal(timeline_step(17000000, 8), 2000000 + 0);
	assert_int_equal(timeline_step(60000000, 8), 10000000);
	assert_int_equal(timeline_step(INT64_C(86400000000), 8), INT64_C(10800000000));
	for (int64_t span = 1; span < INT64_C(1) << 50; span *= 3) {
		assert_true(span / timeline_step(span, 8) <= 8);
		assert_true(span < 10 || span / timeline_step(span, 8) >= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),   cmocka_unit_test(test_picture),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_choice), cmocka_unit_test(test_choice_of_peer),
		cmocka_unit_test(test_killed), cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
