#include "config/address.h"

#include <stdlib.h>
#include <string.h>

bool address_is_digits(const char *s)
{
	return *s && s[strspn(s, DIGIT)] == '\0';
}

bool address_is_interface(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len < CONFIG_IFNAME_MAX && s[strspn(s, ADDRESS_INTERFACE)] == '\0' && s[0] != '-' &&
	       strcmp(s, ".") && strcmp(s, "..");
}

bool address_read_ip(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	struct ip ip;

	(void)k;
	if (ip_parse(n->text, &ip) && !ip_is_zero(&ip)) {
		*(struct ip *)out = ip;
		return true;
	}
	parse_error(p, n->at, "\"%s\" is not an address; write it as 192.0.2.1 or 2001:db8::1",
		    parse_clip(n->text).text);
	return false;
}

static const char *odd_address(const struct ip *ip)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	static const uint8_t all[4] = { 255, 255, 255, 255 };

	if (ip_is_zero(ip))
		return "the unspecified address";
	if (ip_is_v4(ip) && !memcmp(ip->b + 12, all, sizeof(all)))
		return "the address of all hosts";
	if (ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80)
		return "a link-local address";
	if (ip_is_v4(ip) ? (ip->b[12] & 0xf0) == 0xe0 : ip->b[0] == 0xff)
		return "a multicast address";
	if (ip_is_v4(ip) ? ip->b[12] == 127 : !memcmp(ip->b, loopback, 16))
		return "a loopback address";
	return NULL;
}

/* An address of ours that is none of a host in its network: mostly the network itself was meant. */
static bool is_host_in(struct parse *p, const struct node *n, const struct prefix *pfx)
{
	const struct ip net = ip_masked(&pfx->ip, pfx->len);
	struct prefix first = { net, pfx->len };
	char text[PREFIX_STRLEN];

	if (pfx->len >= 127 || (!ip_equal(&net, &pfx->ip) && !prefix_is_broadcast(pfx, &pfx->ip)))
		return true;
	first.ip.b[15] |= 1;
	parse_error(p, n->at, "%s is %s, and no address of a host in it; write it as %s", parse_clip(n->text).text,
		    ip_equal(&net, &pfx->ip) ? "a network" : "the broadcast address of its network",
		    prefix_format(&first, text));
	return false;
}

/* A network must be written as one: 10.8.0.2/24 is either a slip for the host or for the network. */
static bool has_no_host_bits(struct parse *p, const struct key *k, const struct node *n,
			     const struct prefix *pfx)
{
	struct prefix net = { ip_masked(&pfx->ip, pfx->len), pfx->len };
	char as_net[PREFIX_STRLEN], as_host[IP_STRLEN];
	bool inner = k->kind == KEY_INNER;

	if (k->kind == KEY_ADDRESSES || ip_equal(&net.ip, &pfx->ip))
		return true;
	prefix_format(&net, as_net);
	ip_format(&pfx->ip, as_host);
	parse_error(p, n->at, "%s has bits set behind its length; write %s for the network%s%s%s",
		    parse_clip(n->text).text, as_net, inner ? ", or " : "", inner ? as_host : "",
		    inner ? " for the host" : "");
	return false;
}

bool address_read_prefix(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	struct prefix pfx;
	const char *odd;

	if (!prefix_parse(n->text, &pfx)) {
		parse_error(p, n->at, "\"%s\" is not %s", parse_clip(n->text).text,
			    k->kind == KEY_ADDRESSES ?
				    "an address with the length of its network; write it as 10.8.0.1/24 or fd00:8::1/64" :
			    k->kind == KEY_ROUTES ? "a network; write it as 10.8.0.0/24 or fd00:8::/64" :
						    "an address or network; write it as 10.8.0.2 or fd00:9::/64");
		return false;
	}
	odd = k->kind == KEY_ROUTES || pfx.len == 0 || pfx.len == 96 ? NULL : odd_address(&pfx.ip);
	if (k->kind == KEY_ADDRESSES && ip_is_zero(&pfx.ip))
		odd = "the unspecified address";
	if (odd) {
		parse_error(p, n->at, "%s is %s, which nobody can have inside the tunnel", parse_clip(n->text).text,
			    odd);
		return false;
	}
	if (!has_no_host_bits(p, k, n, &pfx) || (k->kind == KEY_ADDRESSES && !is_host_in(p, n, &pfx)))
		return false;
	*(struct prefix *)out = pfx;
	return true;
}

/* --- endpoints --- */

static bool not_endpoint(struct parse *p, const struct node *n, const char *why, const char *example)
{
	parse_error(p, n->at, "\"%s\" %s; write it as \"%s\"", parse_clip(n->text).text, why, example);
	return false;
}

/* Where the port's colon is, or NULL: behind the bracket, or the only one. */
static const char *port_colon(const char *s)
{
	const char *end = s[0] == '[' ? strchr(s, ']') : NULL;
	const char *colon;

	if (s[0] == '[')
		return end && end[1] == ':' ? end + 1 : NULL;
	colon = strchr(s, ':');
	return colon && !strchr(colon + 1, ':') ? colon : NULL;
}

/* Strips "udp://" and sees that a port is there, in range; NULL after the error. */
static const char *endpoint_body(struct parse *p, const struct node *n, bool scheme, const char *example,
				 uint16_t *port)
{
	const char *s = n->text;
	const char *colon;
	unsigned long v;

	if (scheme && strncmp(s, "udp://", 6)) {
		not_endpoint(p, n,
			     strstr(s, "://") ? "has another scheme than udp" : "does not begin with udp://",
			     example);
		return NULL;
	}
	if (!scheme && strstr(s, "://")) {
		not_endpoint(p, n, "has a scheme, which is not wanted here", example);
		return NULL;
	}
	s += scheme ? 6 : 0;
	colon = port_colon(s);
	if (!colon && s[0] != '[' && strchr(s, ':')) {
		not_endpoint(p, n, "has an IPv6 address without brackets",
			     scheme ? "udp://[::1]:4433" : "[::1]:9551");
		return NULL;
	}
	if (!colon) {
		not_endpoint(p, n, "has no port", example);
		return NULL;
	}
	v = address_is_digits(colon + 1) && strlen(colon + 1) <= 5 && colon[1] != '0' ? strtoul(colon + 1, NULL, 10)
									       : 0;
	if (v < 1 || v > 65535) {
		not_endpoint(p, n, "has a port outside of 1 to 65535", example);
		return NULL;
	}
	*port = (uint16_t)v;
	return s;
}

bool address_read_endpoint(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	static const char example[] = "127.0.0.1:9551";
	struct endpoint e, *to = out;
	uint16_t port;
	const char *body = endpoint_body(p, n, false, example, &port);

	(void)k;
	if (!body)
		return false;
	if (!endpoint_parse(body, &e))
		return not_endpoint(p, n, "is not a literal address and port", example);
	to->ip = e.ip;
	to->scope = e.scope;
	to->port = e.port;
	return true;
}

/* "[fe80::1%eth0]:4433": by name, for the number is another each time the interface comes. */
static bool named_scope(const char *body, struct config_listen *to)
{
	const char *percent = strchr(body, '%');
	const char *end = percent ? strchr(percent, ']') : NULL;
	const size_t len = end ? (size_t)(end - percent - 1) : 0;
	char rest[ENDPOINT_STRLEN];

	if (len == 0 || len >= sizeof(to->interface))
		return false;
	snprintf(rest, sizeof(rest), "%.*s%s", (int)(percent - body), body, end);
	memcpy(to->interface, percent + 1, len);
	to->interface[len] = '\0';
	return !address_is_digits(to->interface) && address_is_interface(to->interface) && endpoint_parse(rest, &to->at) &&
	       to->at.ip.b[0] == 0xfe && (to->at.ip.b[1] & 0xc0) == 0x80;
}

bool address_read_listen(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	static const char example[] = "udp://0.0.0.0:4433";
	struct config_listen l = { .interface = "" };
	uint16_t port;
	const char *body = endpoint_body(p, n, true, example, &port);

	(void)k;
	if (!body)
		return false;
	if (!endpoint_parse(body, &l.at) && !named_scope(body, &l))
		return not_endpoint(p, n, "is not a literal address and port", example);
	memcpy(out, &l, sizeof(l));
	return true;
}

/* A host name as DNS has it, or an IPv4 address. What ends in a number is meant as an address. */
static bool is_host(const char *s, size_t len)
{
	char host[256];
	struct ip ip;
	const char *last;

	if (len == 0 || len > 253)
		return false;
	memcpy(host, s, len);
	host[len] = '\0';
	if (host[strspn(host, LOWER UPPER DIGIT "._-")] || strstr(host, "..") || strchr(".-", host[0]))
		return false;
	last = strrchr(host, '.');
	if (address_is_digits(last ? last + 1 : host))
		return ip_parse(host, &ip) && ip_is_v4(&ip);
	for (const char *label = host; *label; label += strspn(label, ".")) {
		if (strcspn(label, ".") > 63)
			return false;
		label += strcspn(label, ".");
	}
	return true;
}

/* "2001:db8::1", or "fe80::1%eth0" */
static bool is_v6(const char *s, size_t len)
{
	char text[IP_STRLEN + CONFIG_IFNAME_MAX + 1];
	char *scope;
	struct ip ip;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	return strchr(text, ':') && ip_parse(text, &ip) && (!scope || address_is_interface(scope));
}

bool address_read_remote(struct parse *p, const struct key *k, const struct node *n, void *out)
{
	static const char example[] = "udp://vpn.example.net:4433";
	struct config_remote *to = out;
	uint16_t port;
	const char *host = endpoint_body(p, n, true, example, &port);
	size_t len;

	(void)k;
	if (!host)
		return false;
	len = (size_t)(port_colon(host) - host);
	if (host[0] == '[') {
		host++;
		len -= 2;
		if (!is_v6(host, len))
			return not_endpoint(p, n, "has no IPv6 address in its brackets",
					    "udp://[2001:db8::1]:4433");
	} else if (!is_host(host, len)) {
		return not_endpoint(p, n, "has no valid host name or address", example);
	}
	memset(to, 0, sizeof(*to));
	memcpy(to->host, host, len);
	to->port = port;
	return true;
}

/* --- written --- */

char *config_listen_format(const struct config_listen *l, char out[LISTEN_STRLEN])
{
	char text[ENDPOINT_STRLEN];
	const char *end = strchr(endpoint_format(&l->at, text), ']');

	if (l->interface[0] && end)
		snprintf(out, LISTEN_STRLEN, "%.*s%%%s%s", (int)(end - text), text, l->interface, end);
	else
		snprintf(out, LISTEN_STRLEN, "%s", text);
	return out;
}

void address_write_ip(FILE *to, const struct key *k, const void *at)
{
	char buf[IP_STRLEN];

	(void)k;
	fputs(ip_is_zero(at) ? "-" : ip_format(at, buf), to);
}

void address_write_prefix(FILE *to, const struct key *k, const void *at)
{
	char buf[PREFIX_STRLEN];

	(void)k;
	fputs(prefix_format(at, buf), to);
}

void address_write_endpoint(FILE *to, const struct key *k, const void *at)
{
	char buf[ENDPOINT_STRLEN];

	(void)k;
	fputs(((const struct endpoint *)at)->port ? endpoint_format(at, buf) : "-", to);
}

void address_write_listen(FILE *to, const struct key *k, const void *at)
{
	char buf[LISTEN_STRLEN];

	(void)k;
	fprintf(to, "udp://%s", config_listen_format(at, buf));
}

void address_write_remote(FILE *to, const struct key *k, const void *at)
{
	const struct config_remote *r = at;
	const char *open = strchr(r->host, ':') ? "[" : "", *close = open[0] ? "]" : "";

	(void)k;
	if (r->host[0])
		fprintf(to, "udp://%s%s%s:%u", open, r->host, close, r->port);
	else
		fputs("-", to);
}

/* Memory between the members may differ. */
bool address_same_listen(const void *a, const void *b)
{
	const struct config_listen *x = a, *y = b;

	return endpoint_equal(&x->at, &y->at) && strcmp(x->interface, y->interface) == 0;
}
