/* The settings of a store; rows of conf_table.c. */
STORE("endpoint", CONF_ENDPOINT, endpoint, .example = "https://minio.example.com:9000",
      .choices = http, .text = "As worker.s3_endpoint.")

STORE("region", CONF_STRING, region, .fallback = "us-east-1", .min = 1, .max = 47,
      .text = "As worker.s3_region.")

STORE("addressing", CONF_ENUM, addressing, .fallback = "path", .choices = addressings,
      .text = "As worker.s3_addressing.")

STORE("credentials", CONF_ENUM, credentials, .fallback = "auto", .choices = credential_kinds,
      .text = "As worker.s3_credentials.")

STORE("access_key", CONF_STRING, access_key, .fallback = "", .example = "AKIAIOSFODNN7EXAMPLE",
      .text = "As worker.s3_access_key.")

STORE("access_key_file", CONF_SECRET, access_key_secret, .fallback = "",
      .text = "As worker.s3_access_key_file.")

STORE("secret_key_file", CONF_SECRET, secret_key, .fallback = "",
      .example = "/etc/farewell/s3-eu.secret", .text = "As worker.s3_secret_key_file.")

STORE("session_token_file", CONF_SECRET, session_token, .fallback = "",
      .text = "As worker.s3_session_token_file.")

STORE("ca_file", CONF_STRING, ca_file, .fallback = "", .text = "As worker.s3_ca_file.")

STORE("buckets", CONF_BUCKETS, buckets, .example = "media-* avatars",
      .text =
          "The buckets that lie in this store, separated by spaces: names, or patterns in which "
          "one * stands for any characters, also none. A bucket belongs to the store that has "
          "its name, else to the one with the longest pattern that fits, else to the default "
          "store. The same name or pattern in two stores is an error; where patterns of two "
          "stores are equally long and both fit, the bucket's objects are not touched, and the "
          "deletion is parked.")
