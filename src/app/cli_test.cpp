#include "app/cli.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "app/settings.h"

namespace eventbus {
namespace {

// What `eventbus serve WORDS` would start with; nothing if it refuses.
std::optional<Config> served(std::vector<std::string> words) {
    words.insert(words.begin(), {"eventbus", "serve"});
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    std::optional<Config> config;
    testing::internal::CaptureStderr();
    const int code =
        run_command_line(static_cast<int>(argv.size()), argv.data(), [&](const Config& given) {
            config = given;
            return 0;
        });
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(code, config ? 0 : 2);
    return config;
}

// A value that is not the default, and what goes with it.
std::vector<std::string> example_of(const Setting& setting) {
    const std::string flag = setting.flag();
    const std::string key(setting.key);
    if (key == "tls_certificate_file") return {"/a.pem", "--tls-key-file=/a.key"};
    if (key == "tls_key_file") return {"/a.key", "--tls-certificate-file=/a.pem"};
    if (key == "trusted_proxies") return {"10.0.0.0/8,192.0.2.1"};
    if (key == "namespaces") return {"/app"};
    if (key == "message_bytes_max") return {"2KiB"};
    if (key == "log_level") return {"warn"};
    if (key == "log_format") return {"json"};
    if (key == "io_uring") return {"off"};
    if (key == "queue_bytes_per_socket_max") return {"2MiB"};
    switch (setting.kind) {
        case Setting::Kind::kAddress:
        case Setting::Kind::kAddressOrOff:
            return {"127.0.0.1:1234"};
        case Setting::Kind::kCount:
            return {std::to_string(setting.min + 7)};
        case Setting::Kind::kBytes:
            return {std::to_string(setting.min + 7)};
        case Setting::Kind::kDuration:
            return {std::to_string(setting.min + 7) + "ms"};
        case Setting::Kind::kList:
            return {"https://a.example.com,https://b.example.com"};
        default:
            return {"another"};
    }
}

template <class Member>
void expect_same(const Setting& setting, const Config& given, const Config& wanted, Member member) {
    EXPECT_TRUE(given.*member == wanted.*member) << setting.key;
}

TEST(CommandLine, EveryFlagSetsItsSettingInBothForms) {
    for (const Setting& setting : settings()) {
        if (!setting.has_flag() || setting.kind == Setting::Kind::kSwitch) continue;
        SCOPED_TRACE(setting.key);
        const auto example = example_of(setting);
        const std::vector<std::string> others(example.begin() + 1, example.end());
        Config wanted;
        ASSERT_TRUE(setting.assign(wanted, example[0]));
        ASSERT_NE(setting.default_text(), example[0]);

        std::vector<std::string> joined = others;
        joined.push_back(setting.flag() + "=" + example[0]);
        std::vector<std::string> apart = others;
        apart.insert(apart.end(), {setting.flag(), example[0]});
        for (const auto& words : {joined, apart}) {
            const std::optional<Config> given = served(words);
            ASSERT_TRUE(given);
            std::visit([&](auto member) { expect_same(setting, *given, wanted, member); },
                       setting.member);
        }
    }
}

TEST(CommandLine, EverySwitchCanBeTurnedOnAndOff) {
    for (const Setting& setting : settings()) {
        if (setting.kind != Setting::Kind::kSwitch) continue;
        SCOPED_TRACE(setting.key);
        // The proxy protocol needs somebody who may speak it.
        const std::vector<std::string> others =
            setting.key == "proxy_protocol" ? std::vector<std::string>{"--trusted-proxies=10.0.0.1"}
                                            : std::vector<std::string>();
        const auto is_on = [&](const std::string& word) {
            std::vector<std::string> words = others;
            words.push_back(word);
            const std::optional<Config> given = served(words);
            EXPECT_TRUE(given) << word;
            return given && (*given).*std::get<bool Config::*>(setting.member);
        };
        const std::string flag = setting.flag();
        for (const char* value : {"", "=true", "=yes", "=on", "=1"})
            EXPECT_TRUE(is_on(flag + value));
        for (const char* value : {"=false", "=no", "=off", "=0"}) EXPECT_FALSE(is_on(flag + value));
        EXPECT_FALSE(is_on("--no-" + flag.substr(2)));
        EXPECT_FALSE(served({flag + "=maybe"}));
    }
}

// `--name=` must not take the next word for its value, and a switch not be turned on.
TEST(CommandLine, AnEmptyValueIsRefusedInBothForms) {
    for (const Setting& setting : settings()) {
        if (!setting.has_flag()) continue;
        SCOPED_TRACE(setting.key);
        const bool has_meaning = setting.may_be_empty();
        EXPECT_EQ(served({setting.flag() + "=", "--groups-max", "7"}).has_value(), has_meaning);
        if (setting.kind == Setting::Kind::kSwitch) continue;
        EXPECT_EQ(served({setting.flag(), "", "--groups-max", "7"}).has_value(), has_meaning);
    }
    EXPECT_FALSE(served({"--config=", "--groups-max=7"}));
    EXPECT_FALSE(served({"--config", ""}));
}

TEST(CommandLine, NoCommandTakesAnEmptyValue) {
    const std::vector<std::vector<std::string>> cases = {
        {"token", "--user=", "a"},
        {"token", "--service=a", "--permission", ""},
        {"token", "--service=a", "--json="},
        {"publish", "a.b", "--url=", "x=1"},
        {"publish", ""},
        {"publish", "a.b", "--data", ""},
        {"publish", "a.b", "--id="},
        {"tail", ""},
        {"tail", "--since="},
        {"groups", "delete", "a", "a.b", "--token="},
        {"retention", "resume", "--data-dir="},
        {"restore", ""},
        {"check-config", "--catalog="},
    };
    for (std::vector<std::string> words : cases) {
        SCOPED_TRACE(testing::PrintToString(words));
        words.insert(words.begin(), "eventbus");
        std::vector<const char*> argv;
        for (const std::string& word : words) argv.push_back(word.c_str());
        testing::internal::CaptureStderr();
        EXPECT_EQ(run_command_line(static_cast<int>(argv.size()), argv.data(),
                                   [](const Config&) { return 0; }),
                  2);
        EXPECT_NE(testing::internal::GetCapturedStderr().find("the value is empty"),
                  std::string::npos);
    }
}

TEST(CommandLine, AFlagThatIsNoneIsRefused) {
    EXPECT_FALSE(served({"--recovry=false"}));
    EXPECT_FALSE(served({"--no-listen"}));
    EXPECT_FALSE(served({"--jwt-secret=text"}));
}

}  // namespace
}  // namespace eventbus
