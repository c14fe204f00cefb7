/*
 * A name server: every name has the addresses that stand in a file, which is read again for each question.
 *
 *     namer --listen ADDR:PORT --zone FILE --log FILE --ready-file FILE
 *
 * A file with no address in it: no such name. Each question is a line of the log: the name, 1 (A) or 28 (AAAA), and who asked.
 * Records live for one second.
 */
#include <getopt.h>

#include "tool.h"

#define QUESTION_MAX 512
#define ANSWER_MAX 4096
#define TYPE_A 1
#define TYPE_AAAA 28

/* The offset behind the name at `at`, which is copied with dots; 0: it is none. */
static size_t read_name(const uint8_t *q, size_t len, size_t at, char name[256])
{
	size_t n = 0;

	while (at < len && q[at] > 0 && q[at] < 64 && at + 1u + q[at] < len && n + q[at] + 2u < 256) {
		memcpy(name + n, q + at + 1, q[at]);
		n += q[at];
		name[n++] = '.';
		at += 1u + q[at];
	}
	name[n] = '\0';
	return at < len && q[at] == 0 ? at + 1 : 0;
}

static size_t add_record(uint8_t *out, size_t len, uint16_t type, const char *text)
{
	const int family = type == TYPE_A ? AF_INET : AF_INET6;
	const uint8_t size = type == TYPE_A ? 4 : 16;
	const uint8_t head[] = { 0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 1, 0, size };

	if (len + sizeof(head) + size > ANSWER_MAX || inet_pton(family, text, out + len + sizeof(head)) != 1)
		return len;
	memcpy(out + len, head, sizeof(head));
	return len + sizeof(head) + size;
}

/* `out` holds the question, `len` bytes with its head. */
static size_t answer(uint8_t *out, size_t len, uint16_t type, const char *zone)
{
	FILE *f = fopen(zone, "r");
	char word[64];
	bool known = false;
	uint16_t n = 0;

	while (f && fscanf(f, "%63s", word) == 1) {
		const size_t longer = add_record(out, len, type, word);

		known = true;
		n += longer > len;
		len = longer;
	}
	if (f)
		fclose(f);
	out[2] = 0x81;
	out[3] = known ? 0x80 : 0x83;
	out[6] = (uint8_t)(n >> 8);
	out[7] = (uint8_t)n;
	memset(out + 8, 0, 4);
	return len;
}

static void serve(int fd, const char *zone, FILE *log)
{
	uint8_t q[ANSWER_MAX];
	struct address from;
	char name[256], who[ADDRESS_TEXT];
	ssize_t n;
	size_t end;
	uint16_t type;

	from.len = sizeof(from.ss);
	n = recvfrom(fd, q, QUESTION_MAX, 0, (struct sockaddr *)&from.ss, &from.len);
	end = n > 16 ? read_name(q, (size_t)n, 12, name) : 0;
	if (end == 0 || end + 4 > (size_t)n)
		return;
	type = (uint16_t)(q[end] << 8 | q[end + 1]);
	fprintf(log, "%s %u %s\n", name, type, address_text(who, &from));
	fflush(log);
	end = answer(q, end + 4, type, zone);
	(void)sendto(fd, q, end, 0, address_sa(&from), from.len);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
						 { "zone", required_argument, NULL, 'z' },
						 { "log", required_argument, NULL, 'o' },
						 { "ready-file", required_argument, NULL, 'r' },
						 { 0 } };
	const char *zone = NULL, *log_name = "/dev/null", *ready = NULL;
	struct address at = { .len = 0 };
	FILE *log;
	int fd, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'l')
			at = parse_address(optarg);
		else if (c == 'z')
			zone = optarg;
		else if (c == 'o')
			log_name = optarg;
		else if (c == 'r')
			ready = optarg;
		else
			return 2;
	}
	if (!zone || at.len == 0)
		die("--listen and --zone are needed");
	log = fopen(log_name, "a");
	if (!log)
		die("%s: %s", log_name, strerror(errno));
	tool_catch_signals();
	fd = open_socket(&at, SOCK_DGRAM);
	bind_to(fd, &at);
	announce(ready, "ready");
	while (!tool_stop)
		serve(fd, zone, log);
	return 0;
}
