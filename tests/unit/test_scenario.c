/* Scenario files: what is taken, what is refused and with which words, and how outcomes are judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenario/scenario.h"

static struct scn scn;
static char error[SCN_ERROR];

static void takes(const char *text)
{
	if (!scn_parse(&scn, "t.scn", text, SCN_NET, error))
		fail_msg("%s", error);
}

/* The error begins with file and line, and has these words. */
static void refuses(const char *text, unsigned int line, const char *words)
{
	char where[32];

	snprintf(where, sizeof(where), "t.scn:%u: ", line);
	assert_false(scn_parse(&scn, "t.scn", text, SCN_NET, error));
	if (strncmp(error, where, strlen(where)) != 0 || !strstr(error, words))
		fail_msg("\"%s\" does not say \"%s\" at %s", error, words, where);
}

#define HEAD "title T\npath a delay 5ms\npath b nat\npath c v6 loss 1%\npath d over a\n"
#define TAIL "\nbound switches 0\n"

static void test_a_whole_file(void **state)
{
	takes("# a comment\n\ntitle  A long  title # not this\nonly sim\npath a delay 5ms jitter 1ms # nor this\n"
	      "path b v6 rate 10mbit queue 64k\npath c nat\npath d over b\n"
	      "policy switching.drain_ms 2s\npolicy volatility.loss_volatile_threshold 5%\ntraffic every 1ms size 200\n"
	      "traffic tcp up 50mbit\nat 2s jump b\nat 1s every 500ms until 2s link a up loss 30%\n"
	      "at 3s suspend client 20s\nat 1s forge 1000/s for 5s\n"
	      "expect both ATTACHED reattach_success on b within 100ms of 1s\n"
	      "expect client TransportSwitchDenied between 1s and 2s of 3s\nnever server DEGRADED after 1s before 9s\n"
	      "finally client ATTACHED on d\nbound gap 1.5s\nbound sessions at least 2\n");
	assert_string_equal(scn.title, "A long  title");
	assert_int_equal(scn.runners, SCN_SIM);
	assert_int_equal(scn.paths, 4);
	assert_int_equal(scn.path[0].profile.delay_us, 5000);
	assert_int_equal(scn.path[0].profile.jitter_us, 1000);
	assert_string_equal(scn.path[0].words, "delay 5ms jitter 1ms");
	assert_true(scn.path[1].v6 && scn.path[2].nat);
	assert_int_equal(scn.path[1].profile.queue_bytes, 64000);
	assert_int_equal(scn.path[3].wire, 1);
	assert_int_equal(scn.path[3].profile.rate_bps, 10000000);
	assert_int_equal(scn.policy.drain_ms, 2000);
	assert_int_equal(scn.policy.loss_volatile_threshold, 50000);
	assert_int_equal(scn.policy.rescue_bytes, policy_defaults.rescue_bytes);
	assert_int_equal(scn.probe_every_us, 1000);
	assert_int_equal(scn.probe_size, 200);
	assert_int_equal(scn.tcp_ways, SCN_UP);
	assert_int_equal(scn.tcp_mbit, 50);
	assert_int_equal(scn.end_us, 25000000);
}

static void test_wires(void **state)
{
	takes("title T\npath a\npath b delay 3ms\npath c over b\npath d v6 over c" TAIL);
	assert_int_equal(scn.path[0].wire, 0);
	assert_int_equal(scn.path[1].wire, 1);
	assert_int_equal(scn.path[3].wire, 1);
	assert_int_equal(scn.path[3].profile.delay_us, 3000);
}

static void test_events_in_order(void **state)
{
	static const struct {
		int64_t at_us;
		enum scn_op op;
	} want[] = { { 1000000, SCN_OP_LINK },
		     { 1000000, SCN_OP_FORGE },
		     { 1500000, SCN_OP_LINK },
		     { 2000000, SCN_OP_JUMP },
		     { 2000000, SCN_OP_LINK } };

	takes(HEAD
	      "at 2s jump b\nat 1s every 500ms until 2s link a up loss 30%\nat 1s forge 1000/s for 5s" TAIL);
	assert_int_equal(scn.events, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(scn.event[i].at_us, want[i].at_us);
		assert_int_equal(scn.event[i].op, want[i].op);
	}
	assert_int_equal(scn.event[0].ways, SCN_UP);
	assert_string_equal(scn.event[0].words, "loss 30%");
	assert_int_equal(scn.event[1].per_s, 1000);
	assert_int_equal(scn.event[1].lasts_us, 5000000);
}

static void test_operations(void **state)
{
	takes(HEAD
	      "at 1s link a both clear\nat 2s carrier b off\nat 3s interface b up\nat 4s addr a lost v6\n"
	      "at 5s addr a back\nat 6s nat b poison\nat 7s terminate server\nat 8s restart server after 2s\n"
	      "at 9s reload switching.max_switches_per_min 3\nat 10s replay 10/s for 1s" TAIL);
	assert_true(scn.event[0].clear);
	assert_int_equal(scn.event[0].ways, SCN_UP | SCN_DOWN);
	assert_false(scn.event[1].on);
	assert_int_equal(scn.event[1].path, 1);
	assert_true(scn.event[2].on);
	assert_true(scn.event[3].v6 && !scn.event[3].v4 && !scn.event[3].on);
	assert_true(scn.event[4].on);
	assert_true(scn.event[5].on);
	assert_int_equal(scn.event[6].end, SCN_SERVER);
	assert_int_equal(scn.event[7].lasts_us, 2000000);
	assert_int_equal(scn.event[8].policy_at, offsetof(struct policy, max_switches_per_min));
	assert_int_equal(scn.event[8].policy_value, 3);
}

static void test_refused_statements(void **state)
{
	refuses("title T\nfoo\n", 2, "path, policy");
	refuses("title T\nonly mars\n", 2, "sim or net");
	refuses("title T\npath A\n", 2, "small letters");
	refuses("title T\npath abcdefghi\n", 2, "1 to 8");
	refuses("title T\npath a\npath a\n", 3, "already");
	refuses("title T\npath a v6 nat\n", 2, "not both");
	refuses("title T\npath a over b\n", 2, "no path before");
	refuses("title T\npath a\npath b over a delay 1ms\n", 3, "no words of its own");
	refuses("title T\npath a\npath b\npath c\npath d\npath e\n", 6, "at most 4");
	refuses("title T\npath a fast\n", 2, "delay, jitter");
	refuses("title T\npath a delay 5\n", 2, "delay: wants");
	refuses("title T\npath a loss 101%\n", 2, "loss: wants");
	refuses("title T\npath a loss 100.5%\n", 2, "loss: wants");
	refuses("title T\npath a rate 10\n", 2, "rate: wants");
	refuses("title T\npolicy switching.nothing 1\n", 2, "no such policy");
	refuses("title T\npolicy switching.max_switches_per_min 61\n", 2, "from 1 to 60");
	refuses("title T\npolicy session.rekey_after_ms 1s\n", 2, "from 10000 to");
	refuses("title T\npolicy volatility.loss_volatile_threshold 3\n", 2, "a share");
	refuses("title T\ntraffic often\n", 2, "every TIME");
	refuses("title T\ntraffic every 10us\n", 2, "100us");
	refuses("title T\ntraffic tcp up 10\n", 2, "a rate");
	refuses("title T\ntitle T more\npath a\nend 1s 2s" TAIL, 4, "nothing more");
}

static void test_refused_events_and_checks(void **state)
{
	refuses(HEAD "at soon jump a" TAIL, 6, "a time");
	refuses(HEAD "at 1s dance" TAIL, 6, "terminate, reload");
	refuses(HEAD "at 1s every 1s jump a" TAIL, 6, "until");
	refuses(HEAD "at 1s jump e" TAIL, 6, "no path before");
	refuses(HEAD "at 1s nat a rebind" TAIL, 6, "has no nat");
	refuses(HEAD "at 1s nat b forget" TAIL, 6, "rebind|poison");
	refuses(HEAD "at 1s link a blackhole" TAIL, 6, "both, up");
	refuses(HEAD "at 1s link a up actor data drop 100%" TAIL, 6, "actor any");
	refuses(HEAD "at 1s link a up actor any 300-200 drop 100%" TAIL, 6, "LEAST-MOST");
	refuses(HEAD "at 1s link a up actor any drop 1s" TAIL, 6, "drop|double SHARE");
	takes(HEAD "at 1s link a up loss 1% actor any 200-300 drop 50% actor any delay 2s actor any ce" TAIL);
	refuses(HEAD "at 1s link a both" TAIL, 6, "WORDS|clear");
	refuses(HEAD "at 1s link a both clear loss 3%" TAIL, 6, "nothing more");
	refuses(HEAD "at 1s replay 5 for 1s" TAIL, 6, "N/s for TIME");
	refuses(HEAD "at 1s addr a lost v5" TAIL, 6, "lost v4|v6|all");
	refuses(HEAD "at 1s terminate everybody" TAIL, 6, "client or server");
	refuses(HEAD "at 1ms every 1ms until 1s jump a" TAIL, 6, "at most 256 events");
	refuses(HEAD "expect everybody ATTACHED within 1s of 1s\n", 6, "client or server");
	refuses(HEAD "expect client HAPPY within 1s of 1s\n", 6, "a state");
	refuses(HEAD "expect client ATTACHED because within 1s of 1s\n", 6, "a reason");
	refuses(HEAD "expect client ATTACHED on e within 1s of 1s\n", 6, "no path");
	refuses(HEAD "expect client ATTACHED within 1s\n", 6, "within TIME of TIME");
	refuses(HEAD "expect client ATTACHED between 2s and 1s of 1s\n", 6, "smaller time first");
	refuses(HEAD "finally client TransportSwitch\n", 6, "wants a state");
	refuses(HEAD "bound joy 3\n", 6, "gap, lost");
	refuses(HEAD "bound switches 3ms\n", 6, "gap wants a time");
	refuses(HEAD "bound gap 10ms\n", 6, "traffic every");
	refuses(HEAD, 5, "nothing is expected");
	refuses("path a" TAIL, 2, "no title");
	refuses("title T" TAIL, 2, "no path");
	refuses(HEAD "at 5s jump a\nend 4s" TAIL, 8, "before what is said");
}

static void test_lines_of_one_runner(void **state)
{
	static const char text[] = HEAD
		"net: traffic tcp both 5mbit\nsim: at 1s jump a\nsim: traffic tcp up\nbound switches 0\n";

	takes(text);
	assert_int_equal(scn.events, 0);
	assert_int_equal(scn.tcp_mbit, 5);
	assert_false(scn_parse(&scn, "t.scn", text, SCN_SIM, error));
	assert_non_null(strstr(error, "t.scn:8: the simulator has no TCP"));
	assert_int_equal(scn.events, 1);
	assert_int_equal(scn.tcp_mbit, 0);
}

/* --- the judge --- */

static struct scn_outcome outcome;
static struct scn_verdict verdict[SCN_CHECKS];

static void happened(enum scn_end end, int64_t ms, enum state to, enum reason reason, uint8_t path)
{
	scn_record_add(&outcome, (struct scn_record){ .at_us = ms * 1000,
						      .end = end,
						      .event = AUDIT_SESSION_STATE_CHANGE,
						      .to = to,
						      .reason = reason,
						      .path = path });
}

/* A session that is attached on a, and from 1,050 ms on on b. */
static void a_jump(void)
{
	free(outcome.record);
	outcome = (struct scn_outcome){ .sent = 200, .came_back = 190, .gap_us = 60000 };
	happened(SCN_CLIENT, -50, STATE_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, 0);
	happened(SCN_CLIENT, 1040, STATE_VOLATILE, REASON_TRANSPORT_DEAD, 0);
	happened(SCN_CLIENT, 1040, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY, 0);
	scn_record_add(&outcome, (struct scn_record){ .at_us = 1050000,
						      .end = SCN_CLIENT,
						      .event = AUDIT_TRANSPORT_SWITCH,
						      .path = 1 });
	happened(SCN_CLIENT, 1050, STATE_ATTACHED, REASON_REATTACH_SUCCESS, 1);
}

/* Is this one check met by that jump? */
static bool met(const char *check, double slack)
{
	char text[512];

	snprintf(text, sizeof(text), "%straffic every 1ms\n%s\n", HEAD, check);
	takes(text);
	assert_int_equal(scn.checks, 1);
	return scn_judge(&scn, &outcome, slack, verdict) == 0;
}

static void test_expectations(void **state)
{
	a_jump();
	assert_true(met("expect client VOLATILE within 40ms of 1s", 1));
	assert_true(verdict[0].value == 40);
	assert_false(met("expect client VOLATILE within 39ms of 1s", 1));
	assert_true(met("expect client VOLATILE within 39ms of 1s", 3));
	assert_true(met("expect client VOLATILE transport_dead on a within 40ms of 1s", 1));
	assert_false(met("expect client VOLATILE heartbeat_timeout within 40ms of 1s", 1));
	assert_false(met("expect client VOLATILE on b within 40ms of 1s", 1));
	assert_false(met("expect server VOLATILE within 40ms of 1s", 1));
	assert_false(met("expect client VOLATILE within 40ms of 1.1s", 1));
	assert_false(met("expect client VOLATILE between 50ms and 60ms of 1s", 1));
	assert_true(met("expect client TransportSwitch on b within 50ms of 1s", 1));
	assert_false(met("expect client DEGRADED within 9s of 0s", 1));
	assert_false(verdict[0].measured);
}

/* Of one end in the order of the file. */
static void test_order(void **state)
{
	a_jump();
	takes(HEAD "expect client VOLATILE within 1s of 1s\nexpect client ATTACHED within 1s of 1s\n");
	assert_int_equal(scn_judge(&scn, &outcome, 1, verdict), 0);
	takes(HEAD "expect client ATTACHED within 1s of 1s\nexpect client VOLATILE within 1s of 1s\n");
	assert_int_equal(scn_judge(&scn, &outcome, 1, verdict), 1);
	assert_false(verdict[1].ok);
	takes(HEAD "expect client RECOVERING within 1s of 1s\nexpect client RECOVERING within 1s of 1s\n");
	assert_int_equal(scn_judge(&scn, &outcome, 1, verdict), 1);
	/* What came before is not what is waited for. */
	happened(SCN_CLIENT, 2040, STATE_VOLATILE, REASON_TRANSPORT_DEAD, 1);
	assert_true(met("expect client VOLATILE within 40ms of 2s", 1));
	assert_false(met("expect client VOLATILE within 39ms of 2s", 1));
}

/*
 * Of a death that only silence tells of, what was sent until it was known is lost by the time that took: not judged where
 * times are not. What was sent before or behind it is, and so is every loss where the kernel told of the death.
 */
static void test_losses_without_times(void **state)
{
	a_jump();
	outcome.moment[0].planned_us = outcome.moment[0].done_us = 1000000;
	outcome.moments = 1;
	outcome.first_lost_us = 1000000, outcome.last_lost_us = 1049000;
	assert_false(met("bound lost 0", 0));
	outcome.record[1].reason = REASON_CONSECUTIVE_DROP_EXCEEDED;
	assert_true(met("bound lost 0", 0));
	assert_false(met("bound lost 0", 1));
	outcome.last_lost_us = 1051000;
	assert_false(met("bound lost 0", 0));
	outcome.first_lost_us = 700000, outcome.last_lost_us = 1049000;
	assert_false(met("bound lost 0", 0));
	outcome.first_lost_us = outcome.last_lost_us = 1000000;
	outcome.moment[0].done_us = 1045000; /* nothing had been done to the path */
	assert_false(met("bound lost 0", 0));
}

static void test_other_checks(void **state)
{
	a_jump();
	assert_true(met("never client DEGRADED", 1));
	assert_false(met("never client RECOVERING", 1));
	assert_true(met("never client RECOVERING after 1.1s", 1));
	assert_true(met("never client RECOVERING before 1s", 1));
	assert_true(met("never server RECOVERING", 1));
	assert_true(met("never client ATTACHED attached_to_transport", 1)); /* that was before time 0 */
	assert_true(met("finally client ATTACHED on b", 1));
	assert_false(met("finally client ATTACHED on a", 1));
	assert_false(met("finally client VOLATILE", 1));
	assert_false(met("finally server ATTACHED", 1));
	assert_true(met("bound gap 60ms", 1));
	assert_false(met("bound gap 59ms", 1));
	assert_true(met("bound gap 59ms", 3));
	assert_true(met("bound lost 10", 1));
	assert_false(met("bound lost 9", 1));
	assert_true(met("bound lost_percent 5%", 1));
	assert_false(met("bound lost_percent 4.9%", 1));
	assert_true(met("bound switches 1", 1));
	assert_false(met("bound switches 0", 3));
	assert_false(met("bound switches at least 2", 1));
	assert_true(met("bound sessions at least 1", 1));
	assert_false(met("bound records 4", 1));
	assert_false(met("bound records 2", 3));
}

/* Slack 0: however long it took, but not earlier, not otherwise, and nothing more lost. */
static void test_without_times(void **state)
{
	a_jump();
	assert_true(met("expect client VOLATILE within 1ms of 1s", 0));
	assert_false(met("expect client VOLATILE between 50ms and 60ms of 1s", 0));
	assert_false(met("expect client VOLATILE heartbeat_timeout within 1ms of 1s", 0));
	assert_false(met("expect client VOLATILE within 1ms of 1.1s", 0));
	assert_false(met("expect client DEGRADED within 1ms of 1s", 0));
	assert_true(met("bound gap 1ms", 0));
	assert_false(met("bound lost 9", 0));
	assert_false(met("bound lost_percent 4.9%", 0));
	assert_false(met("bound switches 0", 0));
	assert_false(met("never client RECOVERING", 0));
}

/* Only what is due by that time of the plan; what ends it, only at its end. */
static void test_reached(void **state)
{
	a_jump();
	takes(HEAD "expect client ATTACHED on b within 10ms of 1s\nexpect client DEGRADED within 1s of 2s\n"
		   "finally client ATTACHED on a\nend 9s\n");
	assert_true(scn_reached(&scn, &outcome, 1010000));
	assert_true(scn_reached(&scn, &outcome, 2999999));
	assert_false(scn_reached(&scn, &outcome, 3000000));
	happened(SCN_CLIENT, 5000, STATE_DEGRADED, REASON_VOLATILE_PERSISTED, 1);
	assert_true(scn_reached(&scn, &outcome, 3000000));
	assert_false(scn_reached(&scn, &outcome, 9000000));
	happened(SCN_CLIENT, 6000, STATE_ATTACHED, REASON_REATTACH_SUCCESS, 0);
	assert_true(scn_reached(&scn, &outcome, 9000000));
}

/* An older session that ends afterwards is not the one that counts. */
static void test_the_last_session(void **state)
{
	a_jump();
	for (size_t i = 0; i < outcome.records; i++)
		outcome.record[i].session_id[0] = 1;
	happened(SCN_CLIENT, 2000, STATE_ATTACHED, REASON_ATTACHED_TO_TRANSPORT, 0);
	outcome.record[outcome.records - 1].session_id[0] = 2;
	happened(SCN_CLIENT, 2001, STATE_TERMINATED, REASON_SUPERSEDED, 1);
	outcome.record[outcome.records - 1].session_id[0] = 1;
	assert_true(met("finally client ATTACHED on a", 1));
	assert_true(met("bound sessions 2", 1));
	assert_false(met("bound sessions 1", 1));
	happened(SCN_CLIENT, 2002, STATE_VOLATILE, REASON_TRANSPORT_DEAD, 0);
	outcome.record[outcome.records - 1].session_id[0] = 2;
	assert_false(met("finally client ATTACHED on a", 1));
}

/* Events that came late move what is counted from them. */
static void test_moments(void **state)
{
	a_jump();
	outcome.moments = 1;
	outcome.moment[0].planned_us = 1000000;
	outcome.moment[0].done_us = 1010000;
	assert_true(met("expect client VOLATILE within 30ms of 1s", 1));
	outcome.moment[0].done_us = 1041000;
	assert_false(met("expect client VOLATILE within 30ms of 1s", 1));
	free(outcome.record);
	outcome = (struct scn_outcome){ 0 };
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_file),
		cmocka_unit_test(test_wires),
		cmocka_unit_test(test_events_in_order),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_refused_statements),
		cmocka_unit_test(test_refused_events_and_checks),
		cmocka_unit_test(test_lines_of_one_runner),
		cmocka_unit_test(test_expectations),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_losses_without_times),
		cmocka_unit_test(test_other_checks),
		cmocka_unit_test(test_without_times),
		cmocka_unit_test(test_reached),
		cmocka_unit_test(test_the_last_session),
		cmocka_unit_test(test_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
