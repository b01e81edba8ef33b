/* Every built-in's C function, by family.  May use: base, lang. */
#pragma once

#include "lang/rego/builtins.h"

/* BUILTIN_LIST calls X(name, function, arity, flags, mask of each argument...). */
#define M_COLL (M_ARR | M_OBJ | M_SET)
/* clang-format off */
#define BUILTIN_LIST(X) \
    X("abs", number_abs, 1, 0, M_NUM) \
    X("all", collection_all, 1, BUILTIN_V0_ONLY, M_ARR | M_SET) \
    X("and", collection_and, 2, 0, M_SET, M_SET) \
    X("any", collection_any, 1, BUILTIN_V0_ONLY, M_ARR | M_SET) \
    X("array.concat", array_concat, 2, 0, M_ARR, M_ARR) \
    X("array.flatten", array_flatten, 1, 0, M_ARR) \
    X("array.reverse", array_reverse, 1, 0, M_ARR) \
    X("array.slice", array_slice, 3, 0, M_ARR, M_NUM, M_NUM) \
    X("base64.decode", base64_decode_text, 1, 0, M_STR) \
    X("base64.encode", base64_encode_text, 1, 0, M_STR) \
    X("base64.is_valid", base64_is_valid_text, 1, 0, M_STR) \
    X("base64url.decode", base64url_decode_text, 1, 0, M_STR) \
    X("base64url.encode", base64url_encode_text, 1, 0, M_STR) \
    X("base64url.encode_no_pad", base64url_encode_bare, 1, 0, M_STR) \
    X("bits.and", bits_and, 2, 0, M_NUM, M_NUM) \
    X("bits.lsh", bits_lsh, 2, 0, M_NUM, M_NUM) \
    X("bits.negate", bits_negate, 1, 0, M_NUM) \
    X("bits.or", bits_or, 2, 0, M_NUM, M_NUM) \
    X("bits.rsh", bits_rsh, 2, 0, M_NUM, M_NUM) \
    X("bits.xor", bits_xor, 2, 0, M_NUM, M_NUM) \
    X("cast_array", cast_array, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("cast_boolean", cast_boolean, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("cast_null", cast_null, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("cast_object", cast_object, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("cast_set", cast_set, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("cast_string", cast_string, 1, BUILTIN_V0_ONLY, M_ANY) \
    X("ceil", number_ceil, 1, 0, M_NUM) \
    X("concat", string_concat, 2, 0, M_STR, M_ARR | M_SET) \
    X("contains", string_contains, 2, 0, M_STR, M_STR) \
    X("count", collection_count, 1, 0, M_COLL | M_STR) \
    X("crypto.hmac.equal", crypto_hmac_equal, 2, 0, M_STR, M_STR) \
    X("crypto.hmac.md5", crypto_hmac_md5, 2, 0, M_STR, M_STR) \
    X("crypto.hmac.sha1", crypto_hmac_sha1, 2, 0, M_STR, M_STR) \
    X("crypto.hmac.sha256", crypto_hmac_sha256, 2, 0, M_STR, M_STR) \
    X("crypto.hmac.sha512", crypto_hmac_sha512, 2, 0, M_STR, M_STR) \
    X("crypto.md5", crypto_md5, 1, 0, M_STR) \
    X("crypto.sha1", crypto_sha1, 1, 0, M_STR) \
    X("crypto.sha256", crypto_sha256, 1, 0, M_STR) \
    X("div", number_div, 2, 0, M_NUM, M_NUM) \
    X("endswith", string_endswith, 2, 0, M_STR, M_STR) \
    X("eq", compare_eq, 2, 0, M_ANY, M_ANY) \
    X("equal", compare_eq, 2, 0, M_ANY, M_ANY) \
    X("floor", number_floor, 1, 0, M_NUM) \
    X("format_int", number_format_int, 2, 0, M_NUM, M_NUM) \
    X("glob.match", glob_match, 3, 0, M_STR, M_NULL | M_ARR, M_STR) \
    X("glob.quote_meta", glob_quote_meta, 1, 0, M_STR) \
    X("graph.reachable", graph_reachable, 2, 0, M_OBJ, M_ARR | M_SET) \
    X("graph.reachable_paths", graph_reachable_paths, 2, 0, M_OBJ, M_ARR | M_SET) \
    X("gt", compare_gt, 2, 0, M_ANY, M_ANY) \
    X("gte", compare_gte, 2, 0, M_ANY, M_ANY) \
    X("hex.decode", hex_decode_text, 1, 0, M_STR) \
    X("hex.encode", hex_encode_text, 1, 0, M_STR) \
    X("indexof", string_indexof, 2, 0, M_STR, M_STR) \
    X("indexof_n", string_indexof_n, 2, 0, M_STR, M_STR) \
    X("internal.member_2", member_2, 2, 0, M_ANY, M_ANY) \
    X("internal.member_3", member_3, 3, 0, M_ANY, M_ANY, M_ANY) \
    X("internal.template_string", template_string, 1, 0, M_ARR) \
    X("intersection", collection_intersection, 1, 0, M_SET) \
    X("is_array", is_array_value, 1, 0, M_ANY) \
    X("is_boolean", is_boolean_value, 1, 0, M_ANY) \
    X("is_null", is_null_value, 1, 0, M_ANY) \
    X("is_number", is_number_value, 1, 0, M_ANY) \
    X("is_object", is_object_value, 1, 0, M_ANY) \
    X("is_set", is_set_value, 1, 0, M_ANY) \
    X("is_string", is_string_value, 1, 0, M_ANY) \
    X("json.filter", json_filter, 2, 0, M_OBJ, M_ARR | M_SET) \
    X("json.is_valid", json_is_valid, 1, 0, M_STR) \
    X("json.marshal", json_marshal, 1, 0, M_ANY) \
    X("json.marshal_with_options", json_marshal_with_options, 2, 0, M_ANY, M_OBJ) \
    X("json.match_schema", json_match_schema, 2, 0, M_OBJ | M_STR, M_OBJ | M_STR) \
    X("json.patch", json_patch, 2, 0, M_ANY, M_ARR) \
    X("json.remove", json_remove, 2, 0, M_OBJ, M_ARR | M_SET) \
    X("json.unmarshal", json_unmarshal, 1, 0, M_STR) \
    X("json.verify_schema", json_verify_schema, 1, 0, M_OBJ | M_STR) \
    X("lower", string_lower, 1, 0, M_STR) \
    X("lt", compare_lt, 2, 0, M_ANY, M_ANY) \
    X("lte", compare_lte, 2, 0, M_ANY, M_ANY) \
    X("max", collection_max, 1, 0, M_ARR | M_SET) \
    X("min", collection_min, 1, 0, M_ARR | M_SET) \
    X("minus", number_minus, 2, 0, M_NUM | M_SET, M_NUM | M_SET) \
    X("mul", number_mul, 2, 0, M_NUM, M_NUM) \
    X("neq", compare_neq, 2, 0, M_ANY, M_ANY) \
    X("net.cidr_contains", cidr_contains, 2, 0, M_STR, M_STR) \
    X("net.cidr_contains_matches", cidr_contains_matches, 2, 0, M_STR | M_COLL, M_STR | M_COLL) \
    X("net.cidr_expand", cidr_expand, 1, 0, M_STR) \
    X("net.cidr_intersects", cidr_intersects, 2, 0, M_STR, M_STR) \
    X("net.cidr_is_valid", cidr_is_valid, 1, 0, M_STR) \
    X("net.cidr_merge", cidr_merge, 1, 0, M_ARR | M_SET) \
    X("net.cidr_overlap", cidr_contains, 2, BUILTIN_V0_ONLY, M_STR, M_STR) \
    X("numbers.range", numbers_range, 2, 0, M_NUM, M_NUM) \
    X("numbers.range_step", numbers_range_step, 3, 0, M_NUM, M_NUM, M_NUM) \
    X("object.filter", object_filter, 2, 0, M_OBJ, M_COLL) \
    X("object.get", object_get, 3, 0, M_OBJ, M_ANY, M_ANY) \
    X("object.keys", object_keys, 1, 0, M_OBJ) \
    X("object.remove", object_remove, 2, 0, M_OBJ, M_COLL) \
    X("object.subset", object_subset, 2, 0, M_COLL, M_COLL) \
    X("object.union", object_union, 2, 0, M_OBJ, M_OBJ) \
    X("object.union_n", object_union_n, 1, 0, M_ARR) \
    X("opa.runtime", opa_runtime, 0, 0, 0) \
    X("or", collection_or, 2, 0, M_SET, M_SET) \
    X("plus", number_plus, 2, 0, M_NUM, M_NUM) \
    X("print", NULL, 0, BUILTIN_PRINT, 0) \
    X("product", collection_product, 1, 0, M_ARR | M_SET) \
    X("rand.intn", rand_intn, 2, 0, M_STR, M_NUM) \
    X("re_match", regex_match_text, 2, BUILTIN_V0_ONLY, M_STR, M_STR) \
    X("regex.find_all_string_submatch_n", regex_find_all_submatch, 3, 0, M_STR, M_STR, M_NUM) \
    X("regex.find_n", regex_find_n, 3, 0, M_STR, M_STR, M_NUM) \
    X("regex.globs_match", regex_globs_match, 2, 0, M_STR, M_STR) \
    X("regex.is_valid", regex_is_valid, 1, 0, M_ANY) \
    X("regex.match", regex_match_text, 2, 0, M_STR, M_STR) \
    X("regex.replace", regex_replace_text, 3, 0, M_STR, M_STR, M_STR) \
    X("regex.split", regex_split_text, 2, 0, M_STR, M_STR) \
    X("regex.template_match", regex_template_match, 4, 0, M_STR, M_STR, M_STR, M_STR) \
    X("rego.parse_module", rego_parse_module_value, 2, 0, M_STR, M_STR) \
    X("rem", number_rem, 2, 0, M_NUM, M_NUM) \
    X("replace", string_replace, 3, 0, M_STR, M_STR, M_STR) \
    X("round", number_round, 1, 0, M_NUM) \
    X("semver.compare", semver_compare, 2, 0, M_STR, M_STR) \
    X("semver.is_valid", semver_is_valid, 1, 0, M_ANY) \
    X("set_diff", set_diff, 2, BUILTIN_V0_ONLY, M_SET, M_SET) \
    X("sort", collection_sort, 1, 0, M_ARR | M_SET) \
    X("split", string_split, 2, 0, M_STR, M_STR) \
    X("sprintf", string_sprintf, 2, 0, M_STR, M_ARR) \
    X("startswith", string_startswith, 2, 0, M_STR, M_STR) \
    X("strings.any_prefix_match", strings_any_prefix_match, 2, 0, M_STR | M_ARR | M_SET, M_STR | M_ARR | M_SET) \
    X("strings.any_suffix_match", strings_any_suffix_match, 2, 0, M_STR | M_ARR | M_SET, M_STR | M_ARR | M_SET) \
    X("strings.count", strings_count, 2, 0, M_STR, M_STR) \
    X("strings.replace_n", strings_replace_n, 2, 0, M_OBJ, M_STR) \
    X("strings.reverse", strings_reverse, 1, 0, M_STR) \
    X("substring", string_substring, 3, 0, M_STR, M_NUM, M_NUM) \
    X("sum", collection_sum, 1, 0, M_ARR | M_SET) \
    X("time.add_date", time_add_date, 4, 0, M_NUM, M_NUM, M_NUM, M_NUM) \
    X("time.clock", time_clock, 1, 0, M_NUM | M_ARR) \
    X("time.date", time_date, 1, 0, M_NUM | M_ARR) \
    X("time.diff", time_diff, 2, 0, M_NUM | M_ARR, M_NUM | M_ARR) \
    X("time.format", time_format_value, 1, 0, M_NUM | M_ARR) \
    X("time.now_ns", time_now_ns_value, 0, 0, 0) \
    X("time.parse_duration_ns", time_parse_duration_ns, 1, 0, M_STR) \
    X("time.parse_ns", time_parse_ns, 2, 0, M_STR, M_STR) \
    X("time.parse_rfc3339_ns", time_parse_rfc3339_ns, 1, 0, M_STR) \
    X("time.weekday", time_weekday, 1, 0, M_NUM | M_ARR) \
    X("to_number", number_to_number, 1, 0, M_NULL | M_BOOL | M_NUM | M_STR) \
    X("trace", trace_note, 1, 0, M_STR) \
    X("trim", string_trim, 2, 0, M_STR, M_STR) \
    X("trim_left", string_trim_left, 2, 0, M_STR, M_STR) \
    X("trim_prefix", string_trim_prefix, 2, 0, M_STR, M_STR) \
    X("trim_right", string_trim_right, 2, 0, M_STR, M_STR) \
    X("trim_space", string_trim_space, 1, 0, M_STR) \
    X("trim_suffix", string_trim_suffix, 2, 0, M_STR, M_STR) \
    X("type_name", type_name_value, 1, 0, M_ANY) \
    X("union", collection_union, 1, 0, M_SET) \
    X("units.parse", units_parse, 1, 0, M_STR) \
    X("units.parse_bytes", units_parse_bytes, 1, 0, M_STR) \
    X("upper", string_upper, 1, 0, M_STR) \
    X("urlquery.decode", urlquery_decode, 1, 0, M_STR) \
    X("urlquery.decode_object", urlquery_decode_object, 1, 0, M_STR) \
    X("urlquery.encode", urlquery_encode, 1, 0, M_STR) \
    X("urlquery.encode_object", urlquery_encode_object, 1, 0, M_OBJ) \
    X("uuid.parse", uuid_parse, 1, 0, M_STR) \
    X("uuid.rfc4122", uuid_rfc4122, 1, 0, M_STR) \
    X("walk", NULL, 1, BUILTIN_RELATION, M_ANY) \
    X("yaml.is_valid", yaml_is_valid, 1, 0, M_ANY) \
    X("yaml.marshal", yaml_marshal, 1, 0, M_ANY) \
    X("yaml.unmarshal", yaml_unmarshal, 1, 0, M_STR)
/* clang-format on */

#define BUILTIN(name)                                                                              \
    const struct rval *builtin_##name(struct builtin_call *call, const struct rval *const *args)

#define builtin_NULL NULL

BUILTIN(number_abs);
BUILTIN(collection_all);
BUILTIN(collection_and);
BUILTIN(collection_any);
BUILTIN(array_concat);
BUILTIN(array_flatten);
BUILTIN(array_reverse);
BUILTIN(array_slice);
BUILTIN(base64_decode_text);
BUILTIN(base64_encode_text);
BUILTIN(base64_is_valid_text);
BUILTIN(base64url_decode_text);
BUILTIN(base64url_encode_text);
BUILTIN(base64url_encode_bare);
BUILTIN(bits_and);
BUILTIN(bits_lsh);
BUILTIN(bits_negate);
BUILTIN(bits_or);
BUILTIN(bits_rsh);
BUILTIN(bits_xor);
BUILTIN(cast_array);
BUILTIN(cast_boolean);
BUILTIN(cast_null);
BUILTIN(cast_object);
BUILTIN(cast_set);
BUILTIN(cast_string);
BUILTIN(number_ceil);
BUILTIN(string_concat);
BUILTIN(string_contains);
BUILTIN(collection_count);
BUILTIN(crypto_hmac_equal);
BUILTIN(crypto_hmac_md5);
BUILTIN(crypto_hmac_sha1);
BUILTIN(crypto_hmac_sha256);
BUILTIN(crypto_hmac_sha512);
BUILTIN(crypto_md5);
BUILTIN(crypto_sha1);
BUILTIN(crypto_sha256);
BUILTIN(number_div);
BUILTIN(string_endswith);
BUILTIN(compare_eq);
BUILTIN(number_floor);
BUILTIN(number_format_int);
BUILTIN(glob_match);
BUILTIN(glob_quote_meta);
BUILTIN(graph_reachable);
BUILTIN(graph_reachable_paths);
BUILTIN(compare_gt);
BUILTIN(compare_gte);
BUILTIN(hex_decode_text);
BUILTIN(hex_encode_text);
BUILTIN(string_indexof);
BUILTIN(string_indexof_n);
BUILTIN(member_2);
BUILTIN(member_3);
BUILTIN(template_string);
BUILTIN(collection_intersection);
BUILTIN(is_array_value);
BUILTIN(is_boolean_value);
BUILTIN(is_null_value);
BUILTIN(is_number_value);
BUILTIN(is_object_value);
BUILTIN(is_set_value);
BUILTIN(is_string_value);
BUILTIN(json_filter);
BUILTIN(json_is_valid);
BUILTIN(json_marshal);
BUILTIN(json_marshal_with_options);
BUILTIN(json_match_schema);
BUILTIN(json_patch);
BUILTIN(json_remove);
BUILTIN(json_unmarshal);
BUILTIN(json_verify_schema);
BUILTIN(string_lower);
BUILTIN(compare_lt);
BUILTIN(compare_lte);
BUILTIN(collection_max);
BUILTIN(collection_min);
BUILTIN(number_minus);
BUILTIN(number_mul);
BUILTIN(compare_neq);
BUILTIN(cidr_contains);
BUILTIN(cidr_contains_matches);
BUILTIN(cidr_expand);
BUILTIN(cidr_intersects);
BUILTIN(cidr_is_valid);
BUILTIN(cidr_merge);
BUILTIN(numbers_range);
BUILTIN(numbers_range_step);
BUILTIN(object_filter);
BUILTIN(object_get);
BUILTIN(object_keys);
BUILTIN(object_remove);
BUILTIN(object_subset);
BUILTIN(object_union);
BUILTIN(object_union_n);
BUILTIN(opa_runtime);
BUILTIN(collection_or);
BUILTIN(number_plus);
BUILTIN(collection_product);
BUILTIN(rand_intn);
BUILTIN(regex_match_text);
BUILTIN(regex_find_all_submatch);
BUILTIN(regex_find_n);
BUILTIN(regex_globs_match);
BUILTIN(regex_is_valid);
BUILTIN(regex_replace_text);
BUILTIN(regex_split_text);
BUILTIN(regex_template_match);
BUILTIN(rego_parse_module_value);
BUILTIN(number_rem);
BUILTIN(string_replace);
BUILTIN(number_round);
BUILTIN(semver_compare);
BUILTIN(semver_is_valid);
BUILTIN(set_diff);
BUILTIN(collection_sort);
BUILTIN(string_split);
BUILTIN(string_sprintf);
BUILTIN(string_startswith);
BUILTIN(strings_any_prefix_match);
BUILTIN(strings_any_suffix_match);
BUILTIN(strings_count);
BUILTIN(strings_replace_n);
BUILTIN(strings_reverse);
BUILTIN(string_substring);
BUILTIN(collection_sum);
BUILTIN(time_add_date);
BUILTIN(time_clock);
BUILTIN(time_date);
BUILTIN(time_diff);
BUILTIN(time_format_value);
BUILTIN(time_now_ns_value);
BUILTIN(time_parse_duration_ns);
BUILTIN(time_parse_ns);
BUILTIN(time_parse_rfc3339_ns);
BUILTIN(time_weekday);
BUILTIN(number_to_number);
BUILTIN(trace_note);
BUILTIN(string_trim);
BUILTIN(string_trim_left);
BUILTIN(string_trim_prefix);
BUILTIN(string_trim_right);
BUILTIN(string_trim_space);
BUILTIN(string_trim_suffix);
BUILTIN(type_name_value);
BUILTIN(collection_union);
BUILTIN(units_parse);
BUILTIN(units_parse_bytes);
BUILTIN(string_upper);
BUILTIN(urlquery_decode);
BUILTIN(urlquery_decode_object);
BUILTIN(urlquery_encode);
BUILTIN(urlquery_encode_object);
BUILTIN(uuid_parse);
BUILTIN(uuid_rfc4122);
BUILTIN(yaml_is_valid);
BUILTIN(yaml_marshal);
BUILTIN(yaml_unmarshal);
