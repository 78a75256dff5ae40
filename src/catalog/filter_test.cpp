#include "catalog/filter.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "catalog/spec.h"
#include "support/event_scope.h"

namespace eventbus {
namespace {

bool matches(const std::string& pattern, const std::string& data) {
    const Result<Filter> filter = Filter::compile(pattern);
    EXPECT_TRUE(filter) << filter.error().detail;
    const EventScope event(data);
    return filter && filter->matches(event.scope());
}

// A condition on data.x.
bool matches_x(const std::string& conditions, const std::string& data) {
    return matches(R"({"data":{"x":)" + conditions + "}}", data);
}

struct Case {
    const char* conditions;
    const char* data;
    bool matches;
};

void check(std::span<const Case> cases) {
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.conditions) + " on " + c.data);
        EXPECT_EQ(matches_x(c.conditions, c.data), c.matches);
    }
}

TEST(Filter, ExactValuesKeepTheirType) {
    const Case cases[] = {
        {R"(["a"])", R"({"x":"a"})", true},
        {R"(["a"])", R"({"x":"A"})", false},
        {R"(["a","b"])", R"({"x":"b"})", true},
        {R"(["a"])", R"({})", false},
        {R"(["a"])", R"({"x":{"a":1}})", false},
        {R"([""])", R"({"x":""})", true},
        {R"([null])", R"({"x":null})", true},
        {R"([null])", R"({})", false},
        {R"([null])", R"({"x":false})", false},
        {R"([true])", R"({"x":true})", true},
        {R"([true])", R"({"x":"true"})", false},
        {R"([true])", R"({"x":1})", false},
        {R"([1])", R"({"x":1})", true},
        {R"([1])", R"({"x":1.0})", true},
        {R"([1])", R"({"x":"1"})", false},
        {R"([0.1])", R"({"x":1e-1})", true},
        {R"([9007199254740993])", R"({"x":9007199254740992})", false},
        {R"([18446744073709551615])", R"({"x":18446744073709551615})", true},
        {R"([18446744073709551615])", R"({"x":18446744073709551614})", false},
    };
    check(cases);
}

TEST(Filter, TextOperators) {
    const Case cases[] = {
        {R"([{"prefix":"ph"}])", R"({"x":"photo"})", true},
        {R"([{"prefix":"ph"}])", R"({"x":"p"})", false},
        {R"([{"prefix":"ph"}])", R"({"x":7})", false},
        {R"([{"prefix":{"equals-ignore-case":"PH"}}])", R"({"x":"photo"})", true},
        {R"([{"prefix":{"equals-ignore-case":"PH"}}])", R"({"x":"p"})", false},
        {R"([{"suffix":".jpg"}])", R"({"x":"a.jpg"})", true},
        {R"([{"suffix":".jpg"}])", R"({"x":"a.JPG"})", false},
        {R"([{"suffix":{"equals-ignore-case":".jpg"}}])", R"({"x":"a.JPG"})", true},
        {R"([{"suffix":{"equals-ignore-case":".jpg"}}])", R"({"x":"jpg"})", false},
        {R"([{"equals-ignore-case":"alice"}])", R"({"x":"ALICE"})", true},
        {R"([{"equals-ignore-case":"alice"}])", R"({"x":"ALICES"})", false},
        {R"([{"wildcard":"dir/*.png"}])", R"({"x":"dir/a.png"})", true},
        {R"([{"wildcard":"dir/*.png"}])", R"({"x":"dir/.png"})", true},
        {R"([{"wildcard":"dir/*.png"}])", R"({"x":"dir/a.jpg"})", false},
        {R"([{"wildcard":"a*a"}])", R"({"x":"a"})", false},
    };
    check(cases);
}

TEST(Filter, NumericBounds) {
    const Case cases[] = {
        {R"([{"numeric":[">",0,"<=",5]}])", R"({"x":5})", true},
        {R"([{"numeric":[">",0,"<=",5]}])", R"({"x":5.01})", false},
        {R"([{"numeric":[">",0,"<=",5]}])", R"({"x":0})", false},
        {R"([{"numeric":["=",3.5]}])", R"({"x":3.5})", true},
        {R"([{"numeric":["<",-1]}])", R"({"x":-2})", true},
        {R"([{"numeric":[">=",0]}])", R"({"x":"5"})", false},
        {R"([{"numeric":[">=",0]}])", R"({"x":null})", false},
        {R"([{"numeric":[">=",0]}])", R"({})", false},
        {R"([{"numeric":[">",9007199254740992]}])", R"({"x":9007199254740993})", true},
    };
    check(cases);
}

TEST(Filter, ExistsLooksForAValue) {
    const Case cases[] = {
        {R"([{"exists":true}])", R"({"x":null})", true},
        {R"([{"exists":true}])", R"({})", false},
        {R"([{"exists":true}])", R"({"x":{"a":1}})", false},
        {R"([{"exists":true}])", R"({"x":[]})", false},
        {R"([{"exists":true}])", R"({"x":[1]})", true},
        {R"([{"exists":false}])", R"({})", true},
        {R"([{"exists":false}])", R"({"x":1})", false},
        {R"([{"exists":false}])", R"({"x":null})", false},
        {R"([{"exists":false}])", R"({"x":{"a":1}})", true},
        {R"([{"exists":false}])", R"({"x":[[]]})", true},
        {R"([{"exists":false},"a"])", R"({"x":"a"})", true},
        {R"([{"exists":false},"a"])", R"({"x":"b"})", false},
    };
    check(cases);
}

TEST(Filter, AnythingButDoesNotMatchWhatIsMissing) {
    const Case cases[] = {
        {R"([{"anything-but":"private"}])", R"({"x":"public"})", true},
        {R"([{"anything-but":"private"}])", R"({"x":"private"})", false},
        {R"([{"anything-but":"private"}])", R"({})", false},
        {R"([{"anything-but":"private"}])", R"({"x":{"a":1}})", false},
        {R"([{"anything-but":"private"}])", R"({"x":5})", true},
        {R"([{"anything-but":"private"}])", R"({"x":null})", true},
        {R"([{"exists":false},{"anything-but":"private"}])", R"({})", true},
        {R"([{"exists":false},{"anything-but":"private"}])", R"({"x":"private"})", false},
        {R"([{"anything-but":["a",1]}])", R"({"x":1})", false},
        {R"([{"anything-but":["a",1]}])", R"({"x":"1"})", true},
        {R"([{"anything-but":{"prefix":"in"}}])", R"({"x":"init"})", false},
        {R"([{"anything-but":{"prefix":"in"}}])", R"({"x":"done"})", true},
        {R"([{"anything-but":{"prefix":["in","do"]}}])", R"({"x":"done"})", false},
        {R"([{"anything-but":{"suffix":".txt"}}])", R"({"x":"a.txt"})", false},
        {R"([{"anything-but":{"equals-ignore-case":"A"}}])", R"({"x":"a"})", false},
        {R"([{"anything-but":{"wildcard":"*/lib/*"}}])", R"({"x":"/lib/a"})", false},
        {R"([{"anything-but":{"wildcard":"*/lib/*"}}])", R"({"x":"/bin/a"})", true},
    };
    check(cases);
}

TEST(Filter, OneElementOfAnArrayIsEnough) {
    const Case cases[] = {
        {R"(["b"])", R"({"x":["a","b"]})", true},
        {R"(["c"])", R"({"x":["a","b"]})", false},
        {R"(["b"])", R"({"x":["a",["b"]]})", true},
        {R"([{"numeric":[">",1]}])", R"({"x":["a",2]})", true},
        {R"([{"anything-but":"a"}])", R"({"x":["a","b"]})", true},
        {R"([{"anything-but":"a"}])", R"({"x":["a"]})", false},
        {R"({"y":["b"]})", R"({"x":[{"y":"a"},{"y":"b"}]})", true},
        {R"({"y":["a"],"z":[2]})", R"({"x":[{"y":"a","z":1},{"y":"b","z":2}]})", false},
        {R"({"y":["b"],"z":[2]})", R"({"x":[{"y":"a","z":1},{"y":"b","z":2}]})", true},
    };
    check(cases);
}

TEST(Filter, ObjectsAreAndOrIsOr) {
    const Case cases[] = {
        {R"({"y":["a"],"z":[1]})", R"({"x":{"y":"a","z":1}})", true},
        {R"({"y":["a"],"z":[1]})", R"({"x":{"y":"a","z":2}})", false},
        {R"({"y":["a"]})", R"({"x":"a"})", false},
        {R"({"y":[{"exists":false}]})", R"({})", true},
        {R"({"y":[{"exists":false}]})", R"({"x":5})", true},
        {R"({"y":[{"exists":false}]})", R"({"x":{"y":1}})", false},
        {R"({"$or":[{"y":["a"]},{"z":[1]}]})", R"({"x":{"y":"b","z":1}})", true},
        {R"({"$or":[{"y":["a"]},{"z":[1]}]})", R"({"x":{"y":"b","z":2}})", false},
        {R"({"w":[1],"$or":[{"y":["a"]},{"z":[1]}]})", R"({"x":{"y":"a","w":2}})", false},
        {R"({"$or":[{"$or":[{"y":[1]},{"y":[2]}]},{"y":[3]}]})", R"({"x":{"y":2}})", true},
    };
    check(cases);
}

// The values are those of EventBridge's own engine (event-ruler 1.8.1).
TEST(Filter, WhatIsInOneElementOfAListIsNotMissing) {
    const Case cases[] = {
        {R"({"b":[{"exists":false}]})", R"({"x":[{"b":1},{}]})", false},
        {R"({"b":[{"exists":false}]})", R"({"x":[{"d":1},{"b":1}]})", false},
        {R"({"b":[{"exists":false}]})", R"({"x":[[{"b":1}],{}]})", false},
        {R"({"b":[{"exists":false}]})", R"({"x":[{}]})", true},
        {R"({"b":[{"exists":false}]})", R"({"x":[{"b":{"y":1}},{"b":[]}]})", true},
        {R"({"b":[{"exists":false},{"anything-but":1}]})", R"({"x":[{"b":1},{}]})", false},
        {R"({"b":[{"exists":false},{"anything-but":1}]})", R"({"x":[{"b":1},{"b":2}]})", true},
        {R"({"d":{"b":[{"exists":false}]}})", R"({"x":[{"d":[{"b":1}]},{"d":{}}]})", false},
        {R"({"d":{"b":[{"exists":false}]}})", R"({"x":{"d":[[{"b":1}],{}]}})", false},
    };
    check(cases);
}

// Fields go by name: `a` has chosen the element in which `b` is missing, `d` comes too late to.
TEST(Filter, AFieldBeforeItChoosesTheElementInWhichAnotherIsMissing) {
    const Case cases[] = {
        {R"({"a":[1],"b":[{"exists":false}]})", R"({"x":[{"a":1},{"b":1}]})", true},
        {R"({"a":[1],"b":[{"exists":false}]})", R"({"x":[{"a":1,"b":1},{"a":1}]})", true},
        {R"({"a":[1],"b":[{"exists":false}]})", R"({"x":[{"a":1,"b":1},{"a":2}]})", false},
        {R"({"b":[{"exists":false}],"d":[1]})", R"({"x":[{"d":1},{"b":1}]})", false},
        {R"({"b":[{"exists":false}],"d":[1]})", R"({"x":[{"d":1},{}]})", true},
        {R"({"a":[1],"d":{"b":[{"exists":false}]}})", R"({"x":[{"a":1,"d":[{},{"b":1}]},{"a":1}]})",
         true},
        {R"({"a":[1],"d":{"b":[{"exists":false}]}})", R"({"x":[{"a":1,"d":[{},{"b":1}]}]})", false},
        {R"({"a":{"y":[{"exists":false}]},"a-":[1]})", R"({"x":[{"a-":1},{"a":{"y":1}}]})", true},
        {R"({"a":[{"exists":false}],"a-":[1]})", R"({"x":[{"a-":1},{"a":1}]})", false},
    };
    check(cases);
}

TEST(Filter, AlternativesAreAboutTheElementThatTheOtherFieldsChose) {
    const Case cases[] = {
        {R"({"$or":[{"a":[1]},{"b":[{"exists":false}]}]})", R"({"x":[{"a":2,"b":1},{"a":3}]})",
         false},
        {R"({"$or":[{"a":[1]},{"b":[{"exists":false}]}]})", R"({"x":[{"a":2,"b":1},{"a":1}]})",
         true},
        {R"({"$or":[{"a":[1],"e":[{"exists":false}]},{"b":[2]}],"d":[1]})",
         R"({"x":[{"a":1,"d":1},{"e":1}]})", true},
    };
    check(cases);
    const std::string outside = R"({"data":{"c":{"a":[1]},"$or":[{"c":{"b":[2]}},{"d":[3]}]}})";
    EXPECT_FALSE(matches(outside, R"({"c":[{"a":1},{"b":2}]})"));
    EXPECT_TRUE(matches(outside, R"({"c":[{"a":1,"b":2}]})"));
}

TEST(Filter, AttributesAreText) {
    EXPECT_TRUE(matches(R"({"type":["photo.uploaded"]})", "{}"));
    EXPECT_TRUE(matches(R"({"type":[{"prefix":"photo."}],"subject":["photo:1"]})", "{}"));
    EXPECT_FALSE(matches(R"({"source":["service:worker"]})", "{}"));
    EXPECT_TRUE(matches(R"({"traceparent":[{"exists":false}]})", "{}"));
    EXPECT_TRUE(matches(R"({"$or":[{"id":["other"]},{"data":{"x":[1]}}]})", R"({"x":1})"));
    EXPECT_FALSE(Filter::compile(R"({"type":["a"]})")->reads_data());
    EXPECT_TRUE(Filter::compile(R"({"data":{"x":["a"]}})")->reads_data());
}

TEST(Filter, WhatIsNoPatternIsRefusedWithThePlaceAndTheFix) {
    struct BadCase {
        std::string json;
        const char* says;
    };
    std::string deep = R"(["a"])";
    for (int i = 0; i < 17; ++i) deep = R"({"a":)" + deep + "}";
    std::string many = "[0";
    for (int i = 0; i < 256; ++i) many += "," + std::to_string(i);
    many += "]";
    std::string ors = R"({"$or":[{"a":[1]},{"b":[1]}])";
    for (int i = 0; i < 10; ++i) ors = R"({"$or":[{"a":[1]},{"b":[1]}],"c":)" + ors + "}";
    const BadCase cases[] = {
        {"[]", "map of fields"},
        {"{}", "leave it out"},
        {"{", "JSON"},
        {R"({"data":{"x":"a"}})", "`data.x`: conditions are a list: [a]"},
        {R"({"data":{"x":true}})", "[true]"},
        {R"({"data":{"x":[]}})", "matches nothing"},
        {R"({"data":{"x":{}}})", "leave it out"},
        {R"({"data":["a"]})", "map of the data's fields"},
        {R"({"dta":{"x":["a"]}})", "did you mean 'data'?"},
        {R"({"photoId":["a"]})", "under data:"},
        {R"({"type":{"x":["a"]}})", "list of conditions"},
        {R"({"data":{"x":{"numeric":[">",1]}}})", "`data.x`: an operator stands in a list"},
        {R"({"data":{"x":{"prefix":"a"}}})", "[{ prefix: … }]"},
        {R"({"data":{"x":[{"prefx":"a"}]}})", "did you mean 'prefix'?"},
        {R"({"data":{"x":[{"cidr":"10.0.0.0/8"}]}})", "no operator 'cidr'; known are prefix"},
        {R"({"data":{"x":[{"prefix":"a","suffix":"b"}]}})", "one operator"},
        {R"({"data":{"x":[{"prefix":1}]}})", "takes text"},
        {R"({"data":{"x":[{"prefix":""}]}})", "not empty"},
        {R"({"data":{"x":[{"exists":"yes"}]}})", "true or false"},
        {R"({"data":{"x":[{"numeric":[">"]}]}})", "bounds"},
        {R"({"data":{"x":[{"numeric":["!",1]}]}})", "bounds"},
        {R"({"data":{"x":[{"numeric":[">","1"]}]}})", "bounds"},
        {R"({"data":{"x":[{"numeric":[">",1,"<",2,"=",3]}]}})", "bounds"},
        {R"({"data":{"x":[{"anything-but":[]}]}})", "matches everything"},
        {R"({"data":{"x":[{"anything-but":true}]}})", "text and numbers"},
        {R"({"data":{"x":[{"anything-but":{"numeric":[">",1]}}]}})", "one of prefix"},
        {R"({"data":{"x":[{"wildcard":"a**"}]}})", "side by side"},
        {R"({"data":{"x":[["a"]]}})", "list in a list"},
        {R"({"data":{"x":[{"$or":[{"y":[1]},{"y":[2]}]}]}})", "beside fields"},
        {R"({"$or":[{"type":["a"]}]})", "at least two"},
        {R"({"data":{"x":[")" + std::string(257, 'a') + R"("]}})", "256 bytes"},
        {R"({"data":)" + deep + "}", "16 levels"},
        {R"({"data":{"x":)" + many + "}}", "256 conditions"},
        {R"({"data":{"x":[{"anything-but":)" + many + "}]}}", "256 conditions"},
        {R"({"data":)" + ors + "}}", "have more than 4096 fields"},
    };
    for (const BadCase& c : cases) {
        SCOPED_TRACE(c.json);
        const Result<Filter> filter = Filter::compile(c.json);
        ASSERT_FALSE(filter);
        EXPECT_EQ(filter.error().code, ErrorCode::kBadRequest);
        EXPECT_NE(filter.error().detail.find(c.says), std::string::npos) << filter.error().detail;
    }
}

TEST(Filter, TellsWhereAnythingButMaySurprise) {
    const Result<Filter> filter = Filter::compile(
        R"({"data":{"a":[{"anything-but":"x"}],"b":[{"exists":false},{"anything-but":"x"}]}})");
    ASSERT_TRUE(filter);
    ASSERT_EQ(filter->surprises().size(), 1u);
    EXPECT_NE(filter->surprises()[0].what.find("`data.a`"), std::string::npos);
}

}  // namespace
}  // namespace eventbus
