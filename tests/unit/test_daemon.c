/*
 * The whole daemon in a network namespace: starts that must fail say why, end with 1 and leave nothing
 * behind; a start that succeeds is taken back as completely.
 */
#include "netns.h"

#include <arpa/inet.h>
#include <cap-ng.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "worker/confine.h"
#include "worker/daemon.h"

struct world {
	char dir[64];
	char log[128];
	char *said;                   /* the log, as read last */
	char key[KEY_BASE64_LEN + 1]; /* somebody's public key */
	pid_t pid;
	pid_t launched[16];   /* and not waited for yet */
	void (*before)(void); /* in the child, before the daemon */
};

static struct world world;

/* A daemon lets nobody look into it, at its end not even the sanitizer that looks for leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", world.dir, name);
	unlink(path);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", world.dir, name);
	return path;
}

/* A server's configuration that works, with lines changed: the first word of each change names the line. */
static void configure(const char *change)
{
	const char *lines[] = { "version: \"1.0\"",
				"role: server",
				"private_key_file: DIR/server.key",
				"listen: [ \"udp://127.0.0.1:4433\" ]",
				"workers: 2",
				"tunnel: { name: jump9, addresses: [ 10.8.0.1/24 ] }",
				"audit: { syslog: false, jsonl: DIR/audit }",
				"control: { socket: DIR/sock }",
				"peers: [ { name: alice, public_key: \"KEY\", addresses: [ 10.8.0.2 ] } ]" };
	char text[4096] = "", whole[8192] = "";
	bool added = false;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		bool same = change && strncmp(lines[i], change, strcspn(change, ":") + 1) == 0;

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", same ? change : lines[i]);
		added = added || same;
	}
	if (change && !added)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", change);
	for (const char *p = text; *p;) {
		const bool dir = strncmp(p, "DIR", 3) == 0, key = strncmp(p, "KEY", 3) == 0;

		snprintf(whole + strlen(whole), sizeof(whole) - strlen(whole), "%.*s", dir || key ? 64 : 1,
			 dir   ? world.dir
			 : key ? world.key
			       : p);
		p += dir || key ? 3 : 1;
	}
	put("conf", whole);
}

static pid_t launch(const char *log)
{
	char conf[128];
	pid_t pid;

	snprintf(conf, sizeof(conf), "%s", path_of("conf"));
	snprintf(world.log, sizeof(world.log), "%s/%s", world.dir, log);
	unlink(world.log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(world.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

		dup2(fd, STDERR_FILENO);
		close(fd);
		if (world.before)
			world.before();
		exit(daemon_run(conf));
	}
	for (size_t i = 0; i < sizeof(world.launched) / sizeof(world.launched[0]); i++) {
		if (world.launched[i] == 0 || kill(world.launched[i], 0) < 0) {
			world.launched[i] = pid;
			break;
		}
	}
	return pid;
}

/* What a test that failed has left running holds the device that the next one needs. */
static int end_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(world.launched) / sizeof(world.launched[0]); i++) {
		const pid_t pid = world.launched[i];

		if (pid != 0 && waitpid(pid, NULL, WNOHANG) == 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		world.launched[i] = 0;
	}
	return 0;
}

static bool said(const char *what)
{
	static char text[65536];
	FILE *f = fopen(world.log, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	world.said = text;
	return strstr(text, what);
}

static void until_said(const char *what)
{
	for (int ms = 0; !said(what); ms += 10) {
		if (ms > 20000)
			fail_msg("never said \"%s\" but:\n%s", what, world.said);
		poll(NULL, 0, 10);
	}
}

static int end_of(pid_t pid)
{
	int status;

	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += 10) {
		if (ms > 20000) {
			kill(pid, SIGKILL);
			fail_msg("does not end; it said:\n%s", said("") ? world.said : "");
		}
		poll(NULL, 0, 10);
	}
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d; it said:\n%s", WTERMSIG(status), said("") ? world.said : "");
	return WEXITSTATUS(status);
}

static void nothing_left(void)
{
	assert_int_equal(access(path_of("sock"), F_OK), -1);
	assert_false(run("ip link show dev jump9 >/dev/null 2>&1"));
}

static void refuses_with(int expected, const char *change, const char *what)
{
	int code;

	configure(change);
	code = end_of(launch("log"));
	if (!said(what))
		fail_msg("said not \"%s\" but:\n%s", what, world.said);
	assert_int_equal(code, expected);
}

static void refuses(const char *change, const char *what)
{
	refuses_with(DAEMON_FAILED, change, what);
}

static void start(const char *change)
{
	configure(change);
	world.pid = launch("log");
	until_said("listening on");
}

static void stop(int code)
{
	kill(world.pid, SIGTERM);
	assert_int_equal(end_of(world.pid), code);
	nothing_left();
}

/* --- starts that fail --- */

static void test_what_is_written_wrong(void **state)
{
	char conf[128];

	require_tun(state);
	refuses_with(DAEMON_MISCONFIGURED, "workerz: 3", "workerz");
	refuses_with(DAEMON_MISCONFIGURED, "private_key_file: DIR/nowhere.key", "nowhere.key");
	nothing_left();
	snprintf(conf, sizeof(conf), "%s", path_of("conf"));
	unlink(conf);
	assert_int_equal(end_of(launch("log")), DAEMON_MISCONFIGURED);
	assert_true(said("conf"));
}

static void test_port_in_use(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(4433),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	require_tun(state);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	refuses(NULL, "listen udp://127.0.0.1:4433: Address already in use: another program");
	nothing_left();
	close(fd);
}

/* SO_REUSEPORT would let the second one in, and it would take half of the packets. */
static void test_second_daemon(void **state)
{
	pid_t first;

	require_tun(state);
	start(NULL);
	first = world.pid;
	refuses("tunnel: { name: jump8, addresses: [ 10.7.0.1/24 ] }",
		"listen udp://127.0.0.1:4433: Address already in use");
	refuses("listen: [ \"udp://127.0.0.1:4434\" ]", "tunnel device jump9: Device or resource busy");
	configure("listen: [ \"udp://127.0.0.1:4434\" ]");
	assert_true(run("ip link show dev jump9 >/dev/null"));
	assert_int_equal(access(path_of("sock"), F_OK), 0);
	world.pid = first;
	stop(0);
}

static void test_control_socket_taken(void **state)
{
	require_tun(state);
	start(NULL);
	{
		const pid_t first = world.pid;
		char text[256];

		configure("listen: [ \"udp://127.0.0.1:4434\" ]");
		snprintf(text, sizeof(text), "sed -i -e s/jump9/jump8/ -e s,/audit,/audit2, %s",
			 path_of("conf"));
		assert_true(run(text));
		assert_int_equal(end_of(launch("log")), 1);
		assert_true(said("another daemon answers"));
		assert_int_equal(access(path_of("sock"), F_OK), 0);
		world.pid = first;
	}
	stop(0);
	put("sock", "precious");
	refuses(NULL, "there is a file in the place");
	assert_int_equal(unlink(path_of("sock")), 0);
	nothing_left();
}

static void test_files_that_cannot_be_opened(void **state)
{
	require_tun(state);
	refuses("audit: { syslog: false, jsonl: DIR/no/where }", "/no/where");
	nothing_left();
	refuses("control: { socket: /proc/nowhere/sock }", "control socket /proc/nowhere/sock");
	nothing_left();
	refuses("user: nobody-of-that-name", "no such user");
	nothing_left();
}

static void test_metrics_port_in_use(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(9551),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	require_tun(state);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	refuses("metrics: { listen: \"127.0.0.1:9551\" }", "metrics on 127.0.0.1:9551: ");
	nothing_left();
	close(fd);
}

static void drop_all(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		_exit(99);
}

static void test_no_permission(void **state)
{
	require_tun(state);
	world.before = drop_all;
	refuses(NULL, "needs CAP_NET_ADMIN");
	world.before = NULL;
	nothing_left();
}

/* --- starts that succeed --- */

static void test_start_and_stop(void **state)
{
	require_tun(state);
	for (int i = 0; i < 3; i++) {
		start(i == 0   ? "workers: 1"
		      : i == 1 ? "workers: 4"
			       : "tunnel: { name: jump9, addresses: [ 10.8.0.1/24 ], mtu: 9000 }");
		stop(0);
	}
}

static bool speaks(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char request[] = "GET /metrics HTTP/1.1\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	char text[256] = "";

	if (yes) {
		assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
		assert_true(recv(fd, text, sizeof(text) - 1, MSG_WAITALL) > 0);
		assert_non_null(strstr(text, "200 OK"));
	}
	close(fd);
	return yes;
}

static void reload(const char *change, const char *what)
{
	configure(change);
	assert_int_equal(truncate(world.log, 0), 0);
	kill(world.pid, SIGHUP);
	until_said(what);
}

/* A refused reload changes nothing; an accepted one opens and closes what it says. */
static void test_reload(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(9553),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	require_tun(state);
	start("metrics: { listen: \"127.0.0.1:9551\" }");
	assert_true(speaks(9551));
	reload("workerz: 3", "reload refused");
	assert_true(speaks(9551));
	reload("metrics: { listen: \"127.0.0.1:9552\" }", "reload ok");
	assert_true(speaks(9552));
	assert_false(speaks(9551));

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	reload("metrics: { listen: \"127.0.0.1:9553\" }", "reload refused");
	close(fd);
	assert_true(speaks(9552));

	reload("workers: 3", "a restart is needed for workers");
	assert_false(speaks(9552)); /* the file has no metrics any more */
	reload("role: client", "reload refused");
	reload(NULL, "reload ok");
	stop(0);
}

/* Has the daemon begin to read a file that does not end until what this answers is closed. */
static int reload_slowly(void)
{
	char conf[128];
	int fd, left = 1;

	snprintf(conf, sizeof(conf), "%s", path_of("conf"));
	unlink(conf);
	assert_int_equal(mkfifo(conf, 0600), 0);
	fd = open(conf, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_int_equal(truncate(world.log, 0), 0);
	kill(world.pid, SIGHUP);
	for (int ms = 0; left > 0; ms += 10) {
		assert_true(ms < 20000);
		poll(NULL, 0, 10);
		assert_int_equal(ioctl(fd, FIONREAD, &left), 0);
	}
	return fd;
}

/*
 * While the files are read, which may take long, questions are answered. The daemon gives a file up that says nothing for a while:
 * who gets no processor for so long tries again.
 */
static void test_answers_while_reading(void **state)
{
	bool answered = false;
	int fd;

	require_tun(state);
	start("metrics: { listen: \"127.0.0.1:9551\" }");
	for (int tries = 0; !answered && tries < 5; tries++) {
		fd = reload_slowly();
		answered = speaks(9551) && !said("reload refused");
		close(fd);
		until_said("reload refused");
	}
	assert_true(answered);
	reload(NULL, "reload ok");
	stop(0);
}

static void test_ends_while_reading(void **state)
{
	int fd;

	require_tun(state);
	start(NULL);
	fd = reload_slowly();
	stop(0);
	close(fd);
}

/* What was read in the end comes too late to be taken. */
static void test_ends_before_it_is_read(void **state)
{
	char text[8192];
	int fd, file;
	ssize_t n;

	require_tun(state);
	start(NULL);
	fd = reload_slowly();
	kill(world.pid, SIGTERM);
	until_said("SIGTERM");
	configure(NULL); /* another file of that name: what is in it goes to who reads the first */
	file = open(path_of("conf"), O_RDONLY | O_CLOEXEC);
	n = read(file, text, sizeof(text));
	assert_true(n > 0);
	assert_int_equal(write(fd, text, (size_t)n), n);
	close(file);
	close(fd);
	assert_int_equal(end_of(world.pid), 0);
	assert_false(said("reload ok"));
	nothing_left();
}

/* Of its threads, those of which that is so. */
static unsigned int threads(bool (*question)(pid_t thread))
{
	unsigned int n = 0;
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)world.pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks)))
		n += atoi(entry->d_name) > 0 && question((pid_t)atoi(entry->d_name));
	closedir(tasks);
	return n;
}

static bool is_one(pid_t thread)
{
	return thread > 0;
}

/* Of the threads that it reads files with none is made by a reload: libuv ends a program that cannot have them. */
static void test_reload_needs_no_thread(void **state)
{
	unsigned int before;

	require_tun(state);
	start(NULL);
	before = threads(is_one);
	reload(NULL, "reload ok");
	assert_int_equal(threads(is_one), before);
	stop(0);
}

/* logrotate moves the audit file away and sends SIGHUP; a typo in the configuration is no reason to write on into it. */
static void test_rotation_with_wrong_file(void **state)
{
	char from[128], to[128];

	require_tun(state);
	start(NULL);
	snprintf(from, sizeof(from), "%s", path_of("audit"));
	snprintf(to, sizeof(to), "%s", path_of("audit.1"));
	assert_int_equal(rename(from, to), 0);
	reload("workerz: 3", "reload refused");
	assert_int_equal(access(from, F_OK), 0);
	stop(0);
	unlink(to);
}

static char *status_of(pid_t pid, pid_t thread, const char *key)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)thread);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f) && strncmp(line, key, strlen(key)) != 0)
		line[0] = '\0';
	if (f)
		fclose(f);
	return line + strlen(key);
}

/* A worker; threads for key agreements have none either. What holds of all of them holds from their first moment on. */
static bool is_worker_without(pid_t thread)
{
	assert_int_equal(atoi(status_of(world.pid, thread, "NoNewPrivs:")), 1);
	assert_int_equal(atoi(status_of(world.pid, thread, "Seccomp:")), 2);
	if (strtoull(status_of(world.pid, thread, "CapEff:"), NULL, 16) == 0)
		return !strstr(status_of(world.pid, thread, "Name:"), "agreement");
	assert_int_equal(strtoull(status_of(world.pid, thread, "CapEff:"), NULL, 16), 1 << CAP_NET_ADMIN);
	return false;
}

/* Whoever takes over a worker has no capability; whoever takes over any thread cannot start a program or look into another. */
static void test_confined(void **state)
{
	require_tun(state);
#ifdef __SANITIZE_THREAD__
	skip(); /* it has a thread of its own from before there was a filter */
#endif
	start("workers: 2");
	/* The daemon serves before its workers have had the processor for the first time. */
	for (int i = 0; threads(is_worker_without) < 2; i++) {
		assert_true(i < 1000);
		poll(NULL, 0, 10);
	}
	stop(0);
}

static bool is_forbidden(long answer)
{
	return answer == -1 && errno == EPERM;
}

/* Called so that they would do nothing if they were let: with arguments that lead nowhere. */
static unsigned int calls_left(void)
{
	static const long calls[] = {
		SYS_process_vm_writev, SYS_mount,         SYS_umount2,         SYS_pivot_root,      SYS_chroot,
		SYS_setns,             SYS_init_module,   SYS_finit_module,    SYS_delete_module,   SYS_kexec_load,
		SYS_reboot,            SYS_swapon,        SYS_swapoff,         SYS_add_key,         SYS_request_key,
		SYS_keyctl,            SYS_perf_event_open, SYS_userfaultfd,   SYS_open_by_handle_at, SYS_personality,
		SYS_acct,              SYS_quotactl,      SYS_settimeofday,    SYS_clock_settime,   SYS_adjtimex,
		SYS_memfd_create,
	};
	unsigned int left = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		left += !is_forbidden(syscall(calls[i], -1L, -1L, -1L, -1L, -1L, -1L));
	return left;
}

/* In a child of its own, for there is no way back: bits of what is left to it. */
static int left_to(bool client)
{
	static char *none[] = { NULL };
	const pid_t pid = fork();
	int status, left = 0;

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		return WEXITSTATUS(status);
	}
	if (confine(client) < 0)
		_exit(99);
	left |= is_forbidden(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) ? 0 : 1;
	left |= is_forbidden(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)) ? 0 : 2;
	left |= is_forbidden(syscall(SYS_io_uring_setup, 0, NULL)) ? 0 : 4;
	left |= is_forbidden(unshare(0)) ? 0 : 8;
	left |= calls_left() == 0 ? 0 : 64;
	left |= is_forbidden(execve("/nowhere", none, none)) ? 0 : 16;
	left |= is_forbidden(syscall(SYS_execveat, -1, "/nowhere", none, none, 0)) ? 0 : 32;
	_exit(left);
}

/* A client starts resolvconf; nobody else starts a program, and none looks into another or leaves its place. */
static void test_what_is_forbidden(void **state)
{
	assert_int_equal(left_to(false), 0);
	assert_int_equal(left_to(true), 16 | 32);
}

/* Signals in a row: the last file is in force in the end. */
static void test_reloads_in_a_row(void **state)
{
	require_tun(state);
	start(NULL);
	for (int i = 0; i < 20; i++)
		kill(world.pid, SIGHUP);
	reload("metrics: { listen: \"127.0.0.1:9551\" }", "reload ok");
	for (int ms = 0; !speaks(9551); ms += 10) {
		assert_true(ms < 20000);
		poll(NULL, 0, 10);
	}
	stop(0);
}

static void test_tunnel_taken_away(void **state)
{
	require_tun(state);
	start(NULL);
	assert_true(run("ip link del jump9"));
	assert_int_equal(end_of(world.pid), 1);
	assert_true(said("tunnel device jump9 is gone"));
	nothing_left();
}

static int set_up(void **state)
{
	static const uint8_t secret[32] = { 7 };
	uint8_t public[32];

	strcpy(world.dir, "/tmp/jumpvpn-test-XXXXXX");
	if (!mkdtemp(world.dir) || crypto_init() < 0)
		return -1;
	x25519_public(public, secret);
	base64_encode(world.key, public, sizeof(public));
	put("server.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA=\n");
	return enter_netns(state);
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", world.dir);
	return run(command) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_what_is_written_wrong, end_all),
		cmocka_unit_test_teardown(test_port_in_use, end_all),
		cmocka_unit_test_teardown(test_second_daemon, end_all),
		cmocka_unit_test_teardown(test_control_socket_taken, end_all),
		cmocka_unit_test_teardown(test_files_that_cannot_be_opened, end_all),
		cmocka_unit_test_teardown(test_metrics_port_in_use, end_all),
		cmocka_unit_test_teardown(test_no_permission, end_all),
		cmocka_unit_test_teardown(test_start_and_stop, end_all),
		cmocka_unit_test_teardown(test_reload, end_all),
		cmocka_unit_test_teardown(test_reload_needs_no_thread, end_all),
		cmocka_unit_test_teardown(test_answers_while_reading, end_all),
		cmocka_unit_test_teardown(test_ends_while_reading, end_all),
		cmocka_unit_test_teardown(test_ends_before_it_is_read, end_all),
		cmocka_unit_test_teardown(test_rotation_with_wrong_file, end_all),
		cmocka_unit_test_teardown(test_confined, end_all),
		cmocka_unit_test_teardown(test_what_is_forbidden, end_all),
		cmocka_unit_test_teardown(test_reloads_in_a_row, end_all),
		cmocka_unit_test_teardown(test_tunnel_taken_away, end_all),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
