#include "app/event_data.h"

#include <gtest/gtest.h>

#include <vector>

namespace eventbus {
namespace {

using Words = std::vector<std::string>;

TEST(EventData, IsMadeOfWords) {
    struct Case {
        Words words;
        const char* json;
    };
    const Case cases[] = {
        {{}, "{}"},
        {{"photoId=abc", "userId=user-456"}, R"({"photoId":"abc","userId":"user-456"})"},
        {{"n=7", "x=-1.5", "on=true", "off=false", "no=null"},
         R"({"n":7,"x":-1.5E0,"on":true,"off":false,"no":null})"},
        {{"id=\"7\""}, R"({"id":"7"})"},
        {{"list=[1,\"a\"]", "object={\"a\":{}}"}, R"({"list":[1,"a"],"object":{"a":{}}})"},
        {{"a.b=1", "a.c.d=2"}, R"({"a":{"b":1,"c":{"d":2}}})"},
        {{"a={\"b\":1}", "a.c=2"}, R"({"a":{"b":1,"c":2}})"},
        {{"zip=007", "text=1 2", "empty=", "url=http://a/?b=c"},
         R"({"zip":"007","text":"1 2","empty":"","url":"http://a/?b=c"})"},
        {{"id=123456789012345678901234567890"}, R"({"id":"123456789012345678901234567890"})"},
        {{"broken={\"a\":"}, R"({"broken":"{\"a\":"})"},
    };
    for (const Case& c : cases) {
        const auto data = data_of_words(c.words);
        ASSERT_TRUE(data) << data.error().detail;
        EXPECT_EQ(*data, c.json);
    }
}

TEST(EventData, RefusesWordsThatSayNothing) {
    std::string deep = "a";
    for (int i = 0; i < 16; ++i) deep += ".a";
    for (const Words& words :
         {Words{"photoId"}, Words{"=1"}, Words{""}, Words{".a=1"}, Words{"a.=1"},
          Words{"a=1", "a=2"}, Words{"a=1", "a.b=2"}, Words{"a.b=1", "a=2"}, Words{deep + "=1"}}) {
        EXPECT_FALSE(data_of_words(words)) << words.back();
    }
    EXPECT_TRUE(data_of_words(Words{deep.substr(2) + "=1"}));
}

}  // namespace
}  // namespace eventbus
