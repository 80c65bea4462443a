/* Preloaded into a program it is a libcrypto that has no MD5, as where only what FIPS 140 approves
 * may be used. */
#include <dlfcn.h>
#include <openssl/evp.h>

int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
               const EVP_MD *type, ENGINE *impl)
{
	int (*real)(const void *, size_t, unsigned char *, unsigned int *, const EVP_MD *, ENGINE *);

	if (EVP_MD_is_a(type, "MD5"))
		return 0;
	*(void **)&real = dlsym(RTLD_NEXT, "EVP_Digest");
	return real(data, count, md, size, type, impl);
}
