/* What commands print, to the character. In the samples ' stands for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "cmd/format.h"
#include "cmd/render.h"

static json_t *parse(const char *sample)
{
	char *text = strdup(sample);
	json_t *o;

	for (char *p = text; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	free(text);
	return o;
}

static void expect(void (*render)(FILE *out, const json_t *o, bool colour), const char *sample, bool colour,
		   const char *expected)
{
	json_t *o = parse(sample);
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	render(out, o, colour);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(o);
}

#define DAEMON \
	"'daemon':{'role':'client','node_name':'laptop','node_id':1," \
	"'config_file':'/etc/jumpvpn/client.yaml','config_generation':3,'uptime_ms':7385000,'workers':1," \
	"'tunnel':'jump0','crypto':'AES-256-GCM by ipsec-mb','offloads':'none','last_reload':'ok'," \
	"'names':'a.test: no answer\\nb.test: no such name'}"
#define COUNTERS \
	"'counters':{'rx_packets':1234,'rx_bytes':123456,'tx_packets':99,'tx_bytes':9999," \
	"'drop_replay':3,'drop_bad_tag':0,'drop_no_path':17}"
#define WIFI \
	"{'path':0,'name':'wifi','use':'active','remote':'203.0.113.7:4433','srtt_us':14200," \
	"'rttvar_us':2100,'loss_ppm':0,'mtu':1420,'last_rx_ms':12,'sent':100,'received':200}"
#define LTE \
	"{'path':1,'name':'lte','use':'standby','remote':'[2001:db8::7]:4433','srtt_us':52000," \
	"'rttvar_us':9000,'loss_ppm':12500,'mtu':1290,'last_rx_ms':4100,'sent':50,'received':48}"
#define USB \
	"{'path':2,'name':'usb','use':'down','remote':null,'srtt_us':null," \
	"'rttvar_us':null,'loss_ppm':0,'mtu':null,'last_rx_ms':null,'sent':0,'received':0}"
#define TRAFFIC \
	"'switches':2,'rx_bytes':1288490188,'tx_bytes':52428800,'rx_packets':900000,'tx_packets':450000," \
	"'since_switch_ms':80500,'bytes_since_switch':1258291,'switches_left':7,'age_ms':7380000," \
	"'last_authentic_rx_ms':12"
#define IDENTITY \
	"'state_version':7,'binding_version':3,'epoch':61,'suite':'AES-256-GCM','mtu':1420," \
	"'addresses':['10.8.0.2','fd00:8::2'],'addresses_total':3"
#define ATTACHED \
	"'id':'3fa1b2c405060708090a0b0c0d0e0fff','peer':'gw-1','worker':0,'state':'ATTACHED'," \
	"'reason':'reattach_success','doing':'carrying','since_ms':80500,'deadline_ms':null," \
	"'lifetime_left_ms':79020000"

static void test_status_client(void **state)
{
	expect(render_status,
	       "{" DAEMON "," COUNTERS ",'session':" "{" ATTACHED "," TRAFFIC "," IDENTITY ",'active':" WIFI
	       ",'paths':[" WIFI "," LTE "," USB "]}" "}",
	       false,
	       "client laptop on jump0, up 2 h 03 min\n"
	       "\n"
	       "  state         ATTACHED for 1 min 20 s, carrying traffic\n"
	       "  reason        reattach_success: the session attached to the chosen path\n"
	       "  until         the session's lifetime ends in 21 h 57 min\n"
	       "  next          it probes when the path falls silent or turns bad\n"
	       "  path          0 (wifi), peer at 203.0.113.7:4433, RTT 14 ms +- 2.1 ms, loss 0.0 %\n"
	       "  last receipt  12 ms ago, authenticated\n"
	       "  last switch   1 min 20 s ago, 1.2 MiB since then; 2 in all, 7 left in this minute\n"
	       "  received      1.2 GiB in 900000 packets, 1.4 Mbit/s on average\n"
	       "  sent          50.0 MiB in 450000 packets, 56.8 kbit/s on average\n"
	       "  inside        10.8.0.2, fd00:8::2 and 1 more; MTU 1420\n"
	       "  session       3fa1b2c405060708090a0b0c0d0e0fff, age 2 h 03 min\n"
	       "  versions      state 7, binding 3; key epoch 61, AES-256-GCM\n"
	       "\n"
	       "  PATH  NAME  USE      REMOTE                RTT   LOSS   MTU  LAST HEARD  RECEIVED  SENT\n"
	       "     0  wifi  active   203.0.113.7:4433    14 ms  0.0 %  1420       12 ms       200   100\n"
	       "     1  lte   standby  [2001:db8::7]:4433  52 ms  1.3 %  1290       4.1 s        48    50\n"
	       "     2  usb   down     -                       -  0.0 %     -       never         0     0\n"
	       "\n"
	       "  configuration 3, /etc/jumpvpn/client.yaml\n"
	       "  unresolved    a.test: no answer\n"
	       "  unresolved    b.test: no such name\n"
	       "  last reload   ok\n"
	       "  crypto        AES-256-GCM by ipsec-mb\n"
	       "  offloads      none\n"
	       "  dropped       3 replay\n"
	       "                17 no_path\n");
}

static void test_status_connecting(void **state)
{
	expect(render_status,
	       "{" DAEMON
	       ",'session':{'id':null,'state':'BIRTH','doing':'connecting','since_ms':400,'paths':[]}}",
	       false,
	       "client laptop on jump0, up 2 h 03 min\n"
	       "\n"
	       "  state         BIRTH for 400 ms, calling the server\n"
	       "  reason        none\n"
	       "  until         no limit: it goes on until it succeeds\n"
	       "  next          the session attaches as soon as the server answers\n"
	       "  path          none\n"
	       "  last receipt  never\n"
	       "\n"
	       "  configuration 3, /etc/jumpvpn/client.yaml\n"
	       "  unresolved    a.test: no answer\n"
	       "  unresolved    b.test: no such name\n"
	       "  last reload   ok\n"
	       "  crypto        AES-256-GCM by ipsec-mb\n"
	       "  offloads      none\n");
}

static void test_status_server(void **state)
{
	expect(render_status,
	       "{" DAEMON "," COUNTERS
	       ",'sessions':{'total':12,'max':13,'by_state':{'BIRTH':0,'ATTACHED':10,'DEGRADED':2},'bytes':20172,'bytes_each':1681}}",
	       false,
	       "client laptop on jump0, up 2 h 03 min\n"
	       "\n"
	       "  sessions      12: 10 ATTACHED, 2 DEGRADED\n"
	       "  memory        19.7 KiB for sessions, 1681 bytes each\n"
	       "  received      120.6 KiB in 1234 packets\n"
	       "  sent          9.8 KiB in 99 packets\n"
	       "  configuration 3, /etc/jumpvpn/client.yaml\n"
	       "  unresolved    a.test: no answer\n"
	       "  unresolved    b.test: no such name\n"
	       "  last reload   ok\n"
	       "  crypto        AES-256-GCM by ipsec-mb\n"
	       "  offloads      none\n"
	       "  dropped       3 replay\n"
	       "                17 no_path\n");
	expect(render_status,
	       "{" DAEMON ",'counters':{'hello_session_limit':7}"
	       ",'sessions':{'total':12,'max':12,'by_state':{'ATTACHED':12},'bytes':20172,'bytes_each':1681}}",
	       false,
	       "client laptop on jump0, up 2 h 03 min\n"
	       "\n"
	       "  sessions      12: 12 ATTACHED; max_sessions is 12: peers that have none are refused\n"
	       "  memory        19.7 KiB for sessions, 1681 bytes each\n"
	       "  received      0 B in 0 packets\n"
	       "  sent          0 B in 0 packets\n"
	       "  configuration 3, /etc/jumpvpn/client.yaml\n"
	       "  unresolved    a.test: no answer\n"
	       "  unresolved    b.test: no such name\n"
	       "  last reload   ok\n"
	       "  crypto        AES-256-GCM by ipsec-mb\n"
	       "  offloads      none\n"
	       "  HELLOs        7 session_limit\n");
}

static void test_show(void **state)
{
	expect(render_show,
	       "{'session':" "{" ATTACHED "," TRAFFIC "," IDENTITY ",'active':" WIFI ",'paths':[" WIFI "," LTE
	       "," USB "]}" "}",
	       false,
	       "session of gw-1, worker 0\n"
	       "\n"
	       "  state         ATTACHED for 1 min 20 s, carrying traffic\n"
	       "  reason        reattach_success: the session attached to the chosen path\n"
	       "  until         the session's lifetime ends in 21 h 57 min\n"
	       "  next          it probes when the path falls silent or turns bad\n"
	       "  path          0 (wifi), peer at 203.0.113.7:4433, RTT 14 ms +- 2.1 ms, loss 0.0 %\n"
	       "  last receipt  12 ms ago, authenticated\n"
	       "  last switch   1 min 20 s ago, 1.2 MiB since then; 2 in all, 7 left in this minute\n"
	       "  received      1.2 GiB in 900000 packets, 1.4 Mbit/s on average\n"
	       "  sent          50.0 MiB in 450000 packets, 56.8 kbit/s on average\n"
	       "  inside        10.8.0.2, fd00:8::2 and 1 more; MTU 1420\n"
	       "  session       3fa1b2c405060708090a0b0c0d0e0fff, age 2 h 03 min\n"
	       "  versions      state 7, binding 3; key epoch 61, AES-256-GCM\n"
	       "\n"
	       "  PATH  NAME  USE      REMOTE                RTT   LOSS   MTU  LAST HEARD  RECEIVED  SENT\n"
	       "     0  wifi  active   203.0.113.7:4433    14 ms  0.0 %  1420       12 ms       200   100\n"
	       "     1  lte   standby  [2001:db8::7]:4433  52 ms  1.3 %  1290       4.1 s        48    50\n"
	       "     2  usb   down     -                       -  0.0 %     -       never         0     0\n");
}

static void test_show_degraded(void **state)
{
	expect(render_show,
	       "{'session':{'id':'aa','peer':'alice','worker':3,'state':'DEGRADED','doing':'waiting',"
	       "'reason':'no_candidate_transports','since_ms':1250,'deadline_ms':61500,'next_ms':900,'active':null," TRAFFIC
	       "," IDENTITY "}}",
	       true,
	       "session of alice, worker 3\n"
	       "\n"
	       "  state         \033[31mDEGRADED\033[0m for 1.2 s, waiting for a path, or for the policy "
	       "to allow a jump\n"
	       "  reason        no_candidate_transports: there is no other path to try\n"
	       "  until         1 min 01 s from now at most\n"
	       "  next          it jumps as soon as it may, or ends at its bound; next try in 900 ms\n"
	       "  path          none\n"
	       "  last receipt  12 ms ago, authenticated\n"
	       "  last switch   1 min 20 s ago, 1.2 MiB since then; 2 in all, 7 left in this minute\n"
	       "  received      1.2 GiB in 900000 packets, 1.4 Mbit/s on average\n"
	       "  sent          50.0 MiB in 450000 packets, 56.8 kbit/s on average\n"
	       "  inside        10.8.0.2, fd00:8::2 and 1 more; MTU 1420\n"
	       "  session       aa, age 2 h 03 min\n"
	       "  versions      state 7, binding 3; key epoch 61, AES-256-GCM\n");
}

/* Nothing from outside reaches the terminal as a control character. */
static void test_hostile_text(void **state)
{
	expect(render_show,
	       "{'session':{'peer':'a\\u001b[31mb','state':'\\u0007','reason':'a\\nb','doing':'?',"
	       "'active':{'path':0,'name':'\\u007fx\\u009b','remote':'\\r'},'id':null}}",
	       false,
	       "session of a?[31mb, worker 0\n"
	       "\n"
	       "  state         ? for 0 ms, unknown to this version\n"
	       "  reason        a?b\n"
	       "  until         the session's lifetime ends in 0 ms\n"
	       "  next          unknown to this version\n"
	       "  path          0 (?x?), peer at ?, loss 0.0 %\n"
	       "  last receipt  never\n");
}

static void test_sessions(void **state)
{
	expect(render_sessions,
	       "{'sessions':[{" ATTACHED "," TRAFFIC ",'active':" WIFI "},"
	       "{'id':'aabbb2c4','peer':'a-long-name','state':'DEGRADED','since_ms':7384000,'active':null,"
	       "'switches':31,'rx_bytes':5}"
	       "]}",
	       false,
	       "  SESSION   PEER         STATE            FOR  REMOTE              RTT   LOSS  JUMPS  "
	       "RECEIVED      SENT\n"
	       "  3fa1b2c4  gw-1         ATTACHED  1 min 20 s  203.0.113.7:4433  14 ms  0.0 %      2   "
	       "1.2 GiB  50.0 MiB\n"
	       "  aabbb2c4  a-long-name  DEGRADED  2 h 03 min  -                     -      -     31      "
	       " 5 B       0 B\n");
}

static void test_sessions_in_colour(void **state)
{
	expect(render_sessions,
	       "{'sessions':["
	       "{'id':'aabbb2c4','peer':'a-long-name','state':'DEGRADED','since_ms':7384000,'active':null,"
	       "'switches':31,'rx_bytes':5}"
	       "]}",
	       true,
	       "  SESSION   PEER         STATE            FOR  REMOTE  RTT  LOSS  JUMPS  RECEIVED  SENT\n"
	       "  aabbb2c4  a-long-name  \033[31mDEGRADED  \033[0m2 h 03 min  -         -     -     31    "
	       "   5 B   0 B\n");
}

static void test_no_sessions(void **state)
{
	expect(render_sessions,
	       "{'sessions':[]}",
	       false,
	       "There is no session.\n");
}

static void test_empty_answer(void **state)
{
	expect(render_status,
	       "{}",
	       false,
	       "? without a name, up 0 ms\n"
	       "\n"
	       "  sessions      0\n"
	       "  received      0 B in 0 packets\n"
	       "  sent          0 B in 0 packets\n"
	       "  configuration 0, ?\n"
	       "  crypto        ?\n"
	       "  offloads      ?\n");
}

static void test_events(void **state)
{
	expect(render_event,
	       "{'ts_ms':1700000000123,'event_type':'SessionStateChange','session_id':'3fa1b2c405060708',"
	       "'peer':'alice',"
	       "'from':'ATTACHED','to':'VOLATILE','reason_code':'consecutive_drop_exceeded','path_to':0,"
	       "'budget_left':7,'elapsed_ms':61200}",
	       false,
	       "22:13:20.123  3fa1b2c4  alice         SessionStateChange        ATTACHED -> VOLATILE      "
	       "0           consecutive_drop_exceeded, after 1 min 01 s\n");
	expect(render_event,
	       "{'ts_ms':1700000000180,'event_type':'TransportSwitch','session_id':'3fa1b2c405060708',"
	       "'peer':'alice',"
	       "'state':'ATTACHED','reason_code':'reattach_success','path_from':0,'path_to':1,"
	       "'path_name':'lte',"
	       "'remote':'203.0.113.7:4433','elapsed_ms':0}",
	       false,
	       "22:13:20.180  3fa1b2c4  alice         TransportSwitch           ATTACHED                  "
	       "0 -> lte    reattach_success, 203.0.113.7:4433\n");
	expect(render_event,
	       "{'ts_ms':1700000000190,'event_type':'TransportSwitchDenied','session_id':'3fa1b2c405060708',"
	       "'state':'ATTACHED','reason_code':'cooldown_active','path_to':1,'retry_after_ms':900,"
	       "'count':12}",
	       true,
	       "22:13:20.190  3fa1b2c4  -             \033[31mTransportSwitchDenied     ATTACHED          "
	       "        \033[0m1           cooldown_active, again in 900 ms, 12 times\n");
	expect(render_event,
	       "{'ts_ms':1700000000200,'event_type':'SessionRekeyed','peer':'a-name-of-some-length',"
	       "'epoch':3,'reason_code':'none'}",
	       false,
	       "22:13:20.200  -         a-name-of-some-length  SessionRekeyed            -                "
	       "         -           none, epoch 3\n");
	expect(render_event,
	       "{'ts_ms':1700000000200,'event_type':'AuditGap','reason_code':'none','lost':42}",
	       false,
	       "22:13:20.200  -         -             AuditGap                  -                         "
	       "-           none, 42 records lost\n");
	expect(render_event,
	       "{'lost':7}",
	       false,
	       "-- 7 records are missing here: this reader was too slow --\n");
	expect(render_event,
	       "{'ts_ms':1,'event_type':'x\\u001b','peer':'\\n','reason_code':'\\u0007'}",
	       false,
	       "00:00:00.001  -         ?             x?                        -                         "
	       "-           ?\n");
}

static void test_units(void **state)
{
	char b[FORMAT_LEN];

	assert_string_equal(format_ms(b, 0), "0 ms");
	assert_string_equal(format_ms(b, 999), "999 ms");
	assert_string_equal(format_ms(b, 1250), "1.2 s");
	assert_string_equal(format_ms(b, 59999), "59.9 s");
	assert_string_equal(format_ms(b, 60000), "1 min 00 s");
	assert_string_equal(format_ms(b, 7384000), "2 h 03 min");
	assert_string_equal(format_ms(b, 90000000), "1 d 01 h");
	assert_string_equal(format_us(b, 390), "0.4 ms");
	assert_string_equal(format_us(b, 9940), "9.9 ms");
	assert_string_equal(format_us(b, 14400), "14 ms");
	assert_string_equal(format_bytes(b, 1023), "1023 B");
	assert_string_equal(format_bytes(b, 1536), "1.5 KiB");
	assert_string_equal(format_bytes(b, UINT64_MAX), "16384.0 PiB");
	assert_string_equal(format_rate(b, 425000, 1000), "3.4 Mbit/s");
	assert_string_equal(format_rate(b, 10, 1000), "80 bit/s");
	assert_string_equal(format_rate(b, 10, 0), "-");
	assert_string_equal(format_loss(b, 0), "0.0 %");
	assert_string_equal(format_loss(b, 12500), "1.3 %");
	assert_string_equal(format_loss(b, 1000000), "100.0 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_client),
		cmocka_unit_test(test_status_connecting),
		cmocka_unit_test(test_status_server),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_show_degraded),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_sessions_in_colour),
		cmocka_unit_test(test_no_sessions),
		cmocka_unit_test(test_empty_answer),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_units),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
