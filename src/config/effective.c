/* A configuration written out along the schema: what is in force, whoever said so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/schema.h"

struct out {
	FILE *to;      /* NULL: only measure */
	char path[64]; /* of the struct being written, with its dot */
	int width;     /* of the longest path */
	const struct config *config;
};

static void write_number(FILE *to, const struct key *k, const void *at)
{
	uint32_t v = k->size == 1   ? *(const uint8_t *)at
		     : k->size == 2 ? *(const uint16_t *)at
				    : *(const uint32_t *)at;

	if ((k->type == KEY_WORKERS || k->type == KEY_TABLE) && !v)
		fputs("auto", to);
	else if (k->type == KEY_TABLE && v == UINT32_MAX)
		fputs("off", to);
	else if (k->type == KEY_FRACTION)
		fprintf(to, "%g", v / (double)POLICY_PPM);
	else
		fprintf(to, "%u", v);
}

static void write_remote(FILE *to, const struct config_remote *r)
{
	const char *open = strchr(r->host, ':') ? "[" : "", *close = open[0] ? "]" : "";

	if (r->host[0])
		fprintf(to, "udp://%s%s%s:%u", open, r->host, close, r->port);
	else
		fputs("-", to);
}

static void write_key(FILE *to, const uint8_t key[32])
{
	char text[KEY_BASE64_LEN + 1];

	base64_encode(text, key, 32);
	fputs(text, to);
}

static void write_secret(FILE *to, const uint8_t key[32])
{
	static const uint8_t zero[32];

	fputs(memcmp(key, zero, sizeof(zero)) ? "(set, not shown)" : "-", to);
}

static void write_text(FILE *to, const char *text)
{
	fputs(text && text[0] ? text : "-", to);
}

static void write_addr(FILE *to, const struct key *k, const void *at)
{
	char buf[LISTEN_STRLEN];

	switch (k->type) {
	case KEY_IP:
	case KEY_IPS:
		fputs(ip_is_zero(at) ? "-" : ip_format(at, buf), to);
		break;
	case KEY_LISTEN:
		fprintf(to, "udp://%s", listen_format(at, buf));
		break;
	case KEY_ENDPOINT:
		fputs(((const struct endpoint *)at)->port ? endpoint_format(at, buf) : "-", to);
		break;
	case KEY_REMOTE:
	case KEY_REMOTES:
		write_remote(to, at);
		break;
	default:
		fputs(prefix_format(at, buf), to);
	}
}

static void write_list(FILE *to, const struct key *k, const void *base)
{
	const char *list = *(const char *const *)(const void *)((const char *)base + k->at);
	size_t count = *(const size_t *)(const void *)((const char *)base + k->count_at);

	if (!count)
		fputs("-", to);
	for (size_t i = 0; i < count; i++) {
		if (i)
			fputs(", ", to);
		write_addr(to, k, list + i * key_size(k));
	}
}

static void write_value(const struct out *o, const struct key *k, const void *base)
{
	const void *at = (const char *)base + k->at;

	switch (k->type) {
	case KEY_VERSION:
		fputs("1.0", o->to);
		break;
	case KEY_ROLE:
		fputs(o->config->role == ROLE_SERVER ? "server" : "client", o->to);
		break;
	case KEY_NUMBER:
	case KEY_POW2:
	case KEY_FRACTION:
	case KEY_WORKERS:
	case KEY_TABLE:
		write_number(o->to, k, at);
		break;
	case KEY_BOOL:
		fputs(*(const bool *)at ? "true" : "false", o->to);
		break;
	case KEY_ORDER:
		fputs(*(const enum config_order *)at == ORDER_SHUFFLE ? "shuffle" : "listed", o->to);
		break;
	case KEY_AUTO:
		fputs(*(const bool *)at ? "auto" : "off", o->to);
		break;
	case KEY_FACILITY:
		fputs(facility_name(*(const int *)at), o->to);
		break;
	case KEY_NAME:
	case KEY_USER:
	case KEY_INTERFACE:
		write_text(o->to, at);
		break;
	case KEY_FILE:
		write_text(o->to, *(char *const *)at);
		break;
	case KEY_PRIVATE:
	case KEY_PSK:
		write_secret(o->to, at);
		break;
	case KEY_PUBLIC:
		write_key(o->to, at);
		break;
	default:
		if (key_trait(k)->list)
			write_list(o->to, k, base);
		else
			write_addr(o->to, k, at);
	}
}

/* With `other`, only what differs from it. */
static void write_table(struct out *o, const struct key_table *t, const void *base, const void *other)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct key *k = &t->keys[i];
		char path[128];
		int len;

		if (k->type == KEY_PEERS || k->type == KEY_TRANSPORTS || k->type == KEY_POLICY ||
		    !(k->roles & 1u << o->config->role))
			continue;
		if (other && !memcmp((const char *)base + k->at, (const char *)other + k->at, k->size))
			continue;
		len = snprintf(path, sizeof(path), "%s%s", o->path, k->path);
		if (!o->to) {
			o->width = len > o->width ? len : o->width;
			continue;
		}
		fprintf(o->to, "%-*s  ", o->width, path);
		write_value(o, k, base);
		fputc('\n', o->to);
	}
}

static void write_all(struct out *o)
{
	const struct config *c = o->config;

	o->path[0] = '\0';
	write_table(o, &config_table, c, NULL);
	snprintf(o->path, sizeof(o->path), "policy.");
	if (c->role == ROLE_SERVER)
		write_table(o, &policy_table, &c->policy, NULL);
	for (size_t i = 0; i < c->ntransports; i++) {
		snprintf(o->path, sizeof(o->path), "transports[%zu].", i);
		write_table(o, &transport_table, &c->transports[i], NULL);
	}
	for (size_t i = 0; i < c->npeers; i++) {
		snprintf(o->path, sizeof(o->path), "peers[%zu].", i);
		write_table(o, &peer_table, &c->peers[i], NULL);
		snprintf(o->path, sizeof(o->path), "peers[%zu].policy.", i);
		write_table(o, &policy_table, &c->peers[i].policy, &c->policy);
	}
}

char *config_effective(const struct config *c)
{
	struct out o = { .config = c };
	char *text = NULL;
	size_t len;

	write_all(&o);
	o.to = open_memstream(&text, &len);
	if (!o.to)
		return NULL;
	write_all(&o);
	if (fclose(o.to)) {
		free(text);
		return NULL;
	}
	return text;
}
