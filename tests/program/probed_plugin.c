/* SPDX-License-Identifier: MIT */
/* A library with a probe, for dlopen. */
#include "probes.h"

__attribute__((visibility("default"))) long plugged(long round);

long plugged(long round)
{
	PROBE1("plugged", "-8", round);
	return round * 2;
}
