/* Looks users up with the C library, as the bench tells it to: for each line "TIMES NAME" of input it prints
 * how many nanoseconds that took, and the id that was found. */
#define _GNU_SOURCE
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char buffer[1 << 16];

/* What getpwnam_r does with the files, on a file of one's own. */
static long by_fgetpwent(const char *path, const char *name)
{
	long id = -1;
#ifdef __GLIBC__
	struct passwd entry, *found;
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	while (id < 0 && fgetpwent_r(file, &entry, buffer, sizeof(buffer), &found) == 0)
		if (strcmp(found->pw_name, name) == 0)
			id = found->pw_uid;
	fclose(file);
#else
	(void)path, (void)name;
#endif
	return id;
}

/* These read the /etc/passwd and /etc/group of the mount namespace. */
static long by_getpwnam(const char *path, const char *name)
{
	struct passwd entry, *found;

	(void)path;
	if (getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return -1;
	return found->pw_uid;
}

static long by_getgrouplist(const char *path, const char *name)
{
	struct passwd entry, *found;
	gid_t groups[64];
	int count = 64;
	long highest = -1;

	(void)path;
	if (getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return -1;
	if (getgrouplist(name, found->pw_gid, groups, &count) < 0)
		return -1;
	for (int i = 0; i < count; i++)
		if ((long)groups[i] > highest)
			highest = groups[i];
	return highest;
}

int main(int argc, char **argv)
{
	char path[4096], name[256];
	long times, id = -1;
	long (*find)(const char *, const char *) = by_getpwnam;

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "fgetpwent") == 0)
		find = by_fgetpwent;
	else if (strcmp(argv[1], "groups") == 0)
		find = by_getgrouplist;
	snprintf(path, sizeof(path), "%s/etc/passwd", argv[2]);
	while (scanf("%ld %255s", &times, name) == 2) {
		struct timespec start, end;

		clock_gettime(CLOCK_MONOTONIC, &start);
		while (times-- > 0) {
			id = find(path, name);
			if (id < 0) {
				fprintf(stderr, "%s: not found\n", name);
				return 1;
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &end);
		printf("%lld %ld\n", (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec, id);
		fflush(stdout);
	}
	return 0;
}
