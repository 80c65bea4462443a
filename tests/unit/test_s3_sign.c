/* Signature Version 4 against AWS's published examples: the general test suite (service "service",
 * 2015) and those of the S3 API Reference (2013). */
#include <stdlib.h>
#include <string.h>

#include "lib/s3/s3_sign.h"
#include "tests/unit/unit.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct vector {
	const char *name, *method, *path;
	struct http_pair query[4];
	struct http_pair headers[6];
	const char *body;
	const char *canonical_hash, *signature, *signed_headers;
};

static const struct s3_signer suite = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                       "us-east-1", "service", "20150830T123600Z"};
static const struct s3_signer s3_examples = {"AKIAIOSFODNN7EXAMPLE",
                                             "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                             "us-east-1", "s3", "20130524T000000Z"};

#define SUITE_HEADERS {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}}
#define SUITE_SIGNED "host;x-amz-date"

static const struct vector suite_vectors[] = {
	{"get-vanilla",
     "GET",
     "/",
     {{0}},
     SUITE_HEADERS,
     "",
     "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     SUITE_SIGNED},
	{"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {{"Param2", "value2"}, {"Param1", "value1"}},
     SUITE_HEADERS,
     "",
     "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     SUITE_SIGNED},
	{"get-vanilla-query-order-encoded",
     "GET",
     "/",
     {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\u1234", "Value1"}},
     SUITE_HEADERS,
     "",
     "868294f5c38bd141c4972a373a76654f1418a8e4fc18b2e7903ae45e8ae0ec71",
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
     SUITE_SIGNED},
	{"get-vanilla-query-unreserved",
     "GET",
     "/",
     {{"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}},
     SUITE_HEADERS,
     "",
     "c30d4703d9f799439be92736156d47ccfb2d879ddf56f5befa6d1d6aab979177",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
     SUITE_SIGNED},
	{"get-vanilla-utf8-query",
     "GET",
     "/",
     {{"\u1234", "bar"}},
     SUITE_HEADERS,
     "",
     "eb30c5bed55734080471a834cc727ae56beb50e5f39d1bff6d0d38cb192a7073",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
     SUITE_SIGNED},
	{"get-utf8",
     "GET",
     "/\u1234",
     {{0}},
     SUITE_HEADERS,
     "",
     "2a0a97d02205e45ce2e994789806b19270cfbbb0921b278ccf58f5249ac42102",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
     SUITE_SIGNED},
	{"get-space-unnormalized",
     "GET",
     "/example space/",
     {{0}},
     SUITE_HEADERS,
     "",
     "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
     SUITE_SIGNED},
	{"get-slashes-unnormalized",
     "GET",
     "//example//",
     {{0}},
     SUITE_HEADERS,
     "",
     "528ec3105ee1f34ab014bb0a1a45da0ed2742a4fea3555149e5b4d5d201eb240",
     "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
     SUITE_SIGNED},
	{"get-relative-unnormalized",
     "GET",
     "/example/..",
     {{0}},
     SUITE_HEADERS,
     "",
     "0511f456aa502b456d135fcb9d749374a55228f9dbeedda1eacf659e05b0615b",
     "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282",
     SUITE_SIGNED},
	{"get-slash-pointless-dot-unnormalized",
     "GET",
     "/./example",
     {{0}},
     SUITE_HEADERS,
     "",
     "73895e0e829507e28e39fd24669aedc2434a8e179e547e3c075b42921f952cdb",
     "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff",
     SUITE_SIGNED},
	{"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {{0}},
     SUITE_HEADERS,
     "",
     "6a968768eefaa713e2a6b16b589a8ea192661f098f37349f4e2c0082757446f9",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
     SUITE_SIGNED},
	{"post-sts-header-after",
     "POST",
     "/",
     {{0}},
     SUITE_HEADERS,
     "",
     "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     SUITE_SIGNED},
	{"post-header-key-sort",
     "POST",
     "/",
     {{0}},
     {{"x-amz-date", "20150830T123600Z"},
      {"my-header1", "value1"},
      {"host", "example.amazonaws.com"}},
     "",
     "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
     "host;my-header1;x-amz-date"},
	{"post-x-www-form-urlencoded",
     "POST",
     "/",
     {{0}},
     {{"content-type", "application/x-www-form-urlencoded"},
      {"host", "example.amazonaws.com"},
      {"content-length", "13"},
      {"x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
      {"x-amz-date", "20150830T123600Z"}},
     "Param1=value1",
     "b1edd1d03544c25390e32085d55b57acc9a3961bb59415ff86c45c3d89d16cfb",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
     "content-length;content-type;host;x-amz-content-sha256;x-amz-date"},
};

#define S3_HOST {"host", "examplebucket.s3.amazonaws.com"}
#define S3_DATE {"x-amz-date", "20130524T000000Z"}
#define S3_SIGNED "host;x-amz-content-sha256;x-amz-date"

static const struct vector s3_vectors[] = {
	{"GET object",
     "GET",
     "/test.txt",
     {{0}},
     {S3_HOST, {"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_HASH}, S3_DATE},
     "",
     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
     "host;range;x-amz-content-sha256;x-amz-date"},
	{"PUT object",
     "PUT",
     "/test$file.text",
     {{0}},
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
      S3_HOST,
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
      S3_DATE,
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     "Welcome to Amazon S3.",
     "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"},
	{"GET bucket lifecycle",
     "GET",
     "/",
     {{"lifecycle", ""}},
     {S3_HOST, {"x-amz-content-sha256", EMPTY_HASH}, S3_DATE},
     "",
     "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
     S3_SIGNED},
	{"GET bucket (list objects)",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     {S3_HOST, {"x-amz-content-sha256", EMPTY_HASH}, S3_DATE},
     "",
     "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
     S3_SIGNED},
};

static size_t count_pairs(const struct http_pair *pairs, size_t most)
{
	size_t count = 0;

	while (count < most && pairs[count].name != NULL)
		count++;
	return count;
}

static void check(const struct s3_signer *signer, const struct vector *v)
{
	char payload[S3_SHA256_SIZE], hash[S3_SHA256_SIZE], wanted[1024];

	CU_ASSERT(s3_sha256(v->body, strlen(v->body), payload));
	struct s3_signable request = {v->method,  v->path,
	                              v->query,   count_pairs(v->query, COUNT(v->query)),
	                              v->headers, count_pairs(v->headers, COUNT(v->headers)),
	                              payload};
	char *canonical = s3_canonical_request(&request),
		 *authorization = s3_authorization(signer, &request);
	CU_ASSERT_PTR_NOT_NULL_FATAL(canonical);
	CU_ASSERT_PTR_NOT_NULL_FATAL(authorization);
	CU_ASSERT(s3_sha256(canonical, strlen(canonical), hash));
	snprintf(
		wanted, sizeof(wanted),
		"AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		signer->access_key, signer->date, signer->region, signer->service, v->signed_headers,
		v->signature);
	if (strcmp(hash, v->canonical_hash) != 0 || strcmp(authorization, wanted) != 0)
		fprintf(stderr, "%s:\n%s\n%s\n", v->name, canonical, authorization);
	CU_ASSERT_STRING_EQUAL(hash, v->canonical_hash);
	CU_ASSERT_STRING_EQUAL(authorization, wanted);
	free(canonical);
	free(authorization);
}

static void test_suite(void)
{
	for (size_t i = 0; i < COUNT(suite_vectors); i++)
		check(&suite, &suite_vectors[i]);
}

static void test_s3_examples(void)
{
	for (size_t i = 0; i < COUNT(s3_vectors); i++)
		check(&s3_examples, &s3_vectors[i]);
}

static void test_canonical_request(void)
{
	static const struct http_pair headers[] = {{"x-amz-date", "20150830T123600Z"},
	                                           {"host", "example.amazonaws.com"}};
	static const struct http_pair query[] = {{"delete", ""}};
	char *text =
		s3_canonical_request(&(struct s3_signable){"POST", "/b", query, 1, headers, 2, EMPTY_HASH});

	CU_ASSERT_STRING_EQUAL(text, "POST\n/"
	                             "b\ndelete=\nhost:example.amazonaws.com\nx-amz-date:"
	                             "20150830T123600Z\n\nhost;x-amz-date\n" EMPTY_HASH);
	free(text);
}

static void test_string_to_sign(void)
{
	char *text = s3_string_to_sign(&suite, "GET\n/"
	                                       "\n\nhost:example.amazonaws.com\nx-amz-date:"
	                                       "20150830T123600Z\n\nhost;x-amz-date\n" EMPTY_HASH);

	CU_ASSERT_STRING_EQUAL(
		text, "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
			  "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
	free(text);
}

/* Every byte, once: what may stand as it is, and what becomes %XX in capitals. */
static void test_encode_every_byte(void)
{
	static const char plain[] = "-_.~/";

	for (int byte = 1; byte < 256; byte++) {
		char text[2] = {(char)byte, '\0'}, wanted[4];
		bool as_it_is = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
		                (byte >= 'a' && byte <= 'z') || strchr(plain, byte) != NULL;

		snprintf(wanted, sizeof(wanted), as_it_is ? "%c" : "%%%02X", (unsigned)byte);
		char *encoded = s3_encode_path(text);
		CU_ASSERT_STRING_EQUAL(encoded, wanted);
		free(encoded);
	}
}

static void test_encode_once(void)
{
	char *path = s3_encode_path("/a/../b//%2F +?#");

	CU_ASSERT_STRING_EQUAL(path, "/a/../b//%252F%20%2B%3F%23");
	free(path);
	char *query = s3_encode_query(
		(struct http_pair[]){{"b", "/ +"}, {"a", "2"}, {"a", "1"}, {"delete", ""}}, 4);
	CU_ASSERT_STRING_EQUAL(query, "a=1&a=2&b=%2F%20%2B&delete=");
	free(query);
	query = s3_encode_query(NULL, 0);
	CU_ASSERT_STRING_EQUAL(query, "");
	free(query);
}

static void test_digests(void)
{
	char md5[S3_MD5_SIZE], sha256[S3_SHA256_SIZE], base64[S3_SHA256_BASE64_SIZE];

	CU_ASSERT(s3_md5("", 0, md5));
	CU_ASSERT_STRING_EQUAL(md5, "1B2M2Y8AsgTpgAmY7PhCfg==");
	CU_ASSERT(s3_md5("abc", 3, md5));
	CU_ASSERT_STRING_EQUAL(md5, "kAFQmDzST7DWlj99KOF/cg==");
	CU_ASSERT(s3_sha256_base64("abc", 3, base64));
	CU_ASSERT_STRING_EQUAL(base64, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
	CU_ASSERT(s3_sha256("", 0, sha256));
	CU_ASSERT_STRING_EQUAL(sha256, EMPTY_HASH);
}

static void test_date(void)
{
	char date[S3_DATE_SIZE];

	s3_date(1369353600, date);
	CU_ASSERT_STRING_EQUAL(date, "20130524T000000Z");
	s3_date(4102444799, date);
	CU_ASSERT_STRING_EQUAL(date, "20991231T235959Z");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"AWS's test suite", test_suite},
		{"the S3 reference's examples", test_s3_examples},
		{"canonical request", test_canonical_request},
		{"string to sign", test_string_to_sign},
		{"every byte is encoded as it should", test_encode_every_byte},
		{"nothing is encoded twice or normalised", test_encode_once},
		{"digests", test_digests},
		{"date", test_date},
		{NULL, NULL},
	};

	return unit_main("s3_sign", tests);
}
