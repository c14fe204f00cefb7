/* What the tools of the network tests share: addresses as text, one clock, one way to fail. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit/prng.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

struct address {
	struct sockaddr_storage ss;
	socklen_t len; /* 0: none given */
};

static volatile sig_atomic_t tool_stop;

static inline void tool_on_signal(int sig)
{
	(void)sig;
	tool_stop = 1;
}

/* SIGTERM and SIGINT set tool_stop and interrupt a blocking call. */
static inline void tool_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = tool_on_signal };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* As boot_us of audit records. */
static inline int64_t boot_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Until the absolute time, or until a signal says stop. */
static inline void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	while (!tool_stop && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static inline uint64_t parse_number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 0);
	if (errno || *end || end == text || *text == '-')
		die("\"%s\" is not a number", text);
	return v;
}

/* "192.0.2.1:53", "[2001:db8::1]:53", or an address alone, and then the port is 0. */
static inline struct address parse_address(const char *text)
{
	struct address a = { 0 };
	struct sockaddr_in *v4 = (void *)&a.ss;
	struct sockaddr_in6 *v6 = (void *)&a.ss;
	char host[INET6_ADDRSTRLEN];
	const char *colon = strchr(text, ':');
	bool only6 = colon && *text != '[' && strchr(colon + 1, ':');
	const char *port = *text == '[' ? strstr(text, "]:") : only6 ? NULL : colon;
	size_t skip = *text == '[';
	size_t len = port ? (size_t)(port - text) - skip : strcspn(text + skip, "]");

	if (len >= sizeof(host))
		die("\"%s\" is not an address", text);
	memcpy(host, text + skip, len);
	host[len] = 0;
	uint16_t number = port ? htons((uint16_t)parse_number(port + 1 + skip)) : 0;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = number;
		a.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = number;
		a.len = sizeof(*v6);
	} else {
		die("\"%s\" is not an address", text);
	}
	return a;
}

#define ADDRESS_TEXT 64

static inline const char *address_text(char out[ADDRESS_TEXT], const struct address *a)
{
	const struct sockaddr_in *v4 = (const void *)&a->ss;
	const struct sockaddr_in6 *v6 = (const void *)&a->ss;
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT, "%s:%u", host, ntohs(v4->sin_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
	return out;
}

static inline const struct sockaddr *address_sa(const struct address *a)
{
	return (const struct sockaddr *)&a->ss;
}

/* Tells a waiting script, by a file that appears whole, that the tool has come to this point. */
static inline void announce(const char *path, const char *text)
{
	char tmp[4096];

	if (!path)
		return;
	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		die("%s: name too long", path);
	FILE *f = fopen(tmp, "w");
	if (!f || fprintf(f, "%s\n", text) < 0 || fclose(f) || rename(tmp, path))
		die("%s: %s", path, strerror(errno));
}

static inline int open_socket(const struct address *a, int type)
{
	int fd = socket(a->ss.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	return fd;
}

/* What comes in a burst while this process waits for its turn is not to be lost here. */
static inline void receive_generously(int fd)
{
	const int size = 8 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static inline void bind_to(int fd, const struct address *a)
{
	char text[ADDRESS_TEXT];

	if (a->len && bind(fd, address_sa(a), a->len))
		die("bind %s: %s", address_text(text, a), strerror(errno));
}

static inline void bind_to_interface(int fd, const char *name)
{
	if (name && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)))
		die("%s: %s", name, strerror(errno));
}
