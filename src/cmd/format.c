#include "cmd/format.h"

#include <stdio.h>

const char *format_ms(char buf[FORMAT_LEN], uint64_t ms)
{
	unsigned long long s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, FORMAT_LEN, "%llu ms", (unsigned long long)ms);
	else if (s < 60)
		snprintf(buf, FORMAT_LEN, "%llu.%llu s", s, (unsigned long long)ms % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, FORMAT_LEN, "%llu min %02llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_LEN, "%llu h %02llu min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, FORMAT_LEN, "%llu d %02llu h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *format_us(char buf[FORMAT_LEN], uint64_t us)
{
	if (us >= 10000)
		return format_ms(buf, (us + 500) / 1000);
	us += 50;
	snprintf(buf, FORMAT_LEN, "%u.%u ms", (unsigned int)(us / 1000), (unsigned int)(us % 1000 / 100));
	return buf;
}

static const char *scaled(char buf[FORMAT_LEN], uint64_t n, unsigned int step, const char *const units[])
{
	double v = (double)n;
	unsigned int i = 0;

	while (v >= step && units[i + 1]) {
		v /= step;
		i++;
	}
	if (i == 0)
		snprintf(buf, FORMAT_LEN, "%llu %s", (unsigned long long)n, units[0]);
	else
		snprintf(buf, FORMAT_LEN, "%.1f %s", v, units[i]);
	return buf;
}

const char *format_bytes(char buf[FORMAT_LEN], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };

	return scaled(buf, bytes, 1024, units);
}

const char *format_rate(char buf[FORMAT_LEN], uint64_t bytes, uint64_t ms)
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", NULL };

	if (!ms) {
		snprintf(buf, FORMAT_LEN, "-");
		return buf;
	}
	return scaled(buf, (uint64_t)((double)bytes * 8000.0 / (double)ms), 1000, units);
}

const char *format_loss(char buf[FORMAT_LEN], uint64_t ppm)
{
	unsigned int tenths = (unsigned int)((ppm + 500) / 1000);

	snprintf(buf, FORMAT_LEN, "%u.%u %%", tenths / 10, tenths % 10);
	return buf;
}
