#include "app/config_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "app/settings.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class ConfigLoader : public testing::Test {
 protected:
    ConfigLoader() {
        std::string name = (fs::temp_directory_path() / "eventbus-config-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~ConfigLoader() override { fs::remove_all(folder_); }

    std::string file(const std::string& text) const {
        const std::string path = folder_ / "eventbus.yaml";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    // The problems of a file, a line each, without the folder's name.
    std::string problems_of(const std::string& text) const {
        std::string lines;
        for (const ConfigProblem& problem : load_config({.file = file(text)}).problems) {
            lines += problem.text() + "\n";
        }
        const std::string prefix = folder_.string() + "/";
        for (auto at = lines.find(prefix); at != std::string::npos; at = lines.find(prefix)) {
            lines.erase(at, prefix.size());
        }
        return lines;
    }

    fs::path folder_;
};

TEST_F(ConfigLoader, WithoutSourcesGivesTheDefaults) {
    const LoadedConfig loaded = load_config({});

    EXPECT_TRUE(loaded.problems.empty());
    EXPECT_EQ(loaded.config.listen, "0.0.0.0:8080");
    EXPECT_EQ(loaded.config.ping_interval, 25s);
}

TEST_F(ConfigLoader, AFlagIsStrongerThanTheEnvironmentAndThatThanTheFile) {
    ConfigSources sources;
    sources.file = file("listen: 1.1.1.1:1\nadmin_listen: 1.1.1.1:2\nping_timeout: 1s\n");
    sources.environment = {{"EVENTBUS_LISTEN", "2.2.2.2:1"}, {"EVENTBUS_ADMIN_LISTEN", "off"}};
    sources.flags = {{"listen", "3.3.3.3:1"}};

    const LoadedConfig loaded = load_config(sources);

    ASSERT_TRUE(loaded.is_good()) << loaded.problems[0].text();
    EXPECT_EQ(loaded.config.listen, "3.3.3.3:1");
    EXPECT_EQ(loaded.config.admin_listen, "off");
    EXPECT_EQ(loaded.config.ping_timeout, 1s);
    EXPECT_EQ(loaded.config.ping_interval, 25s);
}

TEST_F(ConfigLoader, TheEnvironmentMayNameTheFile) {
    ConfigSources sources;
    sources.environment = {{"EVENTBUS_CONFIG", file("groups_max: 7\n")}};

    EXPECT_EQ(load_config(sources).config.groups_max, 7u);
}

TEST_F(ConfigLoader, EverySettingCanBeWrittenInEachSource) {
    for (const Setting& setting : settings()) {
        SCOPED_TRACE(setting.key);
        std::string text = setting.default_text();
        if (text.empty()) text = setting.kind == Setting::Kind::kList ? "https://a.b" : "some text";
        if (setting.key == "namespaces") text = "/app";
        const std::string key(setting.key);
        if (key == "trusted_proxies") text = "10.0.0.0/8, 2001:db8::1";

        const auto texts_of = [](const LoadedConfig& loaded) {
            std::string texts;
            for (const ConfigProblem& one : loaded.problems) {
                // A certificate and its key want each other, and that is all.
                if (!one.fix.starts_with("set tls_")) texts += one.text();
            }
            return texts;
        };

        EXPECT_EQ(texts_of(load_config({.file = file(key + ": " + text)})), "");
        EXPECT_EQ(texts_of(load_config({.environment = {{setting.environment(), text}}})), "");
        EXPECT_EQ(texts_of(load_config({.flags = {{key, text}}})), "");
    }
}

// As of a variable that was to be filled in.
TEST_F(ConfigLoader, AnEmptyValueIsRefusedInEachSourceUnlessItHasAMeaning) {
    for (const Setting& setting : settings()) {
        SCOPED_TRACE(setting.key);
        const std::string key(setting.key);
        const bool has_meaning = key == "jwt_issuer" || key == "jwt_audience";
        for (const ConfigSources& sources :
             {ConfigSources{.file = file(key + ": ''\n")},
              ConfigSources{.environment = {{setting.environment(), ""}}},
              ConfigSources{.flags = {{key, ""}}}}) {
            const LoadedConfig loaded = load_config(sources);
            EXPECT_EQ(loaded.is_good(), has_meaning);
            if (has_meaning) continue;
            ASSERT_EQ(loaded.problems.size(), 1u);
            EXPECT_NE(loaded.problems[0].text().find("`" + key + "`"), std::string::npos);
        }
    }
    EXPECT_TRUE(load_config({.file = file("allowed_origins: []\n")}).is_good());
}

TEST_F(ConfigLoader, AnEmptyNameOfTheFileIsRefused) {
    const LoadedConfig loaded = load_config({.environment = {{"EVENTBUS_CONFIG", ""}}});
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_TRUE(loaded.problems[0].text().starts_with("EVENTBUS_CONFIG: the value is empty;"));
}

TEST_F(ConfigLoader, NumbersAreTakenUpToTheirBoundsAndNoFurther) {
    for (const Setting& setting : settings()) {
        if (setting.max == 0) continue;
        SCOPED_TRACE(setting.key);
        const char* unit = setting.kind == Setting::Kind::kDuration ? "ms" : "";
        const auto takes = [&](std::uint64_t value) {
            Config config;
            return setting.assign(config, std::to_string(value) + unit).has_value();
        };
        EXPECT_TRUE(takes(setting.min));
        EXPECT_TRUE(takes(setting.max));
        EXPECT_FALSE(takes(setting.max + 1));
        EXPECT_FALSE(setting.min > 0 && takes(setting.min - 1));
    }
}

TEST_F(ConfigLoader, ReadsListsInBothForms) {
    for (const char* text : {"allowed_origins: https://a.b, http://c:1\n",
                             "allowed_origins: [https://a.b, 'http://c:1']\n",
                             "allowed_origins:\n  - https://a.b\n  - http://c:1\n"}) {
        const LoadedConfig loaded = load_config({.file = file(text)});
        ASSERT_TRUE(loaded.is_good()) << loaded.problems[0].text();
        EXPECT_EQ(loaded.config.allowed_origins,
                  (std::vector<std::string>{"https://a.b", "http://c:1"}));
    }
}

TEST_F(ConfigLoader, SaysWhereWhatIsWrongAndHowToMendIt) {
    struct Case {
        const char* text;
        const char* problem;  // its beginning
    };
    const Case cases[] = {
        {"\nlistn: 0.0.0.0:80\n", "eventbus.yaml:2: `listn` is no setting; did you mean `listen`?"},
        {"quite_another: 1\n",
         "eventbus.yaml:1: `quite_another` is no setting; `eventbus serve --help`"},
        {"listen: 8080\n",
         "eventbus.yaml:1: `listen`: \"8080\" is no address: the port is missing"},
        {"listen: a:99999\n", "eventbus.yaml:1: `listen`: \"a:99999\" is no address"},
        {"listen: '::1:80'\n", "eventbus.yaml:1: `listen`: \"::1:80\" is no address"},
        {"# first\nping_timeout: 20\n",
         "eventbus.yaml:2: `ping_timeout`: \"20\" is not a time; write 500ms"},
        {"ping_timeout: 2h\n",
         "eventbus.yaml:1: `ping_timeout`: \"2h\" is out of range; allowed is 100ms to 1h"},
        {"message_bytes_max: lots\n",
         "eventbus.yaml:1: `message_bytes_max`: \"lots\" is not a size"},
        {"groups_max: 0\n", "eventbus.yaml:1: `groups_max`: \"0\" is out of range"},
        {"log_format: xml\n", "eventbus.yaml:1: `log_format`: \"xml\" is not text or json"},
        {"dev: maybe\n", "eventbus.yaml:1: `dev`: \"maybe\" is neither true nor false"},
        {"listen:\n", "eventbus.yaml:1: `listen` has no value; give it one"},
        {"listen: [a:1]\n", "eventbus.yaml:1: `listen` is not one value; write `listen: value`"},
        {"groups_max: 1\ngroups_max: 2\n", "eventbus.yaml:2: `groups_max` is set twice"},
        {"- listen\n", "eventbus.yaml:1: this is no list of settings"},
        {"listen: 'a:1\n", "eventbus.yaml:"},
        {"? [a]\n: 1\n", "eventbus.yaml:1: a key is no word"},
        {"allowed_origins: [app.example.com]\n",
         "eventbus.yaml:1: \"app.example.com\" is no origin"},
        {"trusted_proxies: 10.0.0.1/8\n", "eventbus.yaml:1: \"10.0.0.1/8\" is no address and no"},
        {"proxy_protocol: on\n", "eventbus.yaml:1: nobody may speak the PROXY protocol"},
        {"tls_key_file: a\n", "eventbus.yaml:1: there is a TLS key and no certificate"},
        {"tls_certificate_file: a\n", "eventbus.yaml:1: there is a certificate and no TLS key"},
        {"allowed_origins: https://a.b/\n", "eventbus.yaml:1: \"https://a.b/\" is no origin"},
        {"cookie_name: 'a b'\n", "eventbus.yaml:1: \"a b\" is no name of a cookie"},
        {"sticky_cookie: eventbus_token\n",
         "eventbus.yaml:1: it would overwrite the token's cookie, cookie_name; give it another"},
        {"namespaces: [/a, app]\n", "eventbus.yaml:1: \"app\" is no namespace; write / and"},
        {"namespaces: /\n", "eventbus.yaml:1: \"/\" is no namespace"},
        {"namespaces: ['/a?b']\n", "eventbus.yaml:1: \"/a?b\" is no namespace"},
        {"namespaces: [/a, /b, /a]\n", "eventbus.yaml:1: \"/a\" stands there twice"},
        {"namespaces: [/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17]\n",
         "eventbus.yaml:1: there are more than 16 namespaces"},
        {"jwt_roles_claim: sub\n", "eventbus.yaml:1: `jwt_roles_claim` is a claim with"},
        {"jwt_service_claim: exp\n", "eventbus.yaml:1: `jwt_service_claim` is a claim with"},
        {"catalog: ''\n",
         "eventbus.yaml:1: `catalog`: the value is empty; write a path; it is for: The catalog"},
        {"allowed_origins: ''\n", "eventbus.yaml:1: `allowed_origins`: the list is empty; write"},
        {"allowed_origins: ','\n", "eventbus.yaml:1: `allowed_origins`: the list is empty; write"},
        {"allowed_origins: [https://a.b, '']\n",
         "eventbus.yaml:1: `allowed_origins` holds what is no text; write one value a line"},
        {"allowed_origins:\n", "eventbus.yaml:1: `allowed_origins` has no value; give it one"},
        {"jwt_secret: ''\n", "eventbus.yaml:1: `jwt_secret`: the value is empty; write one"},
        {"listen: bus.example.com:80\n",
         "eventbus.yaml:1: `listen`: \"bus.example.com:80\" is no address: the host is not an IP"},
        {"queue_bytes_per_socket_max: 16KiB\n",
         "eventbus.yaml:1: queue_bytes_per_socket_max is below"},
        {"admin_listen: 0.0.0.0:8080\n", "eventbus.yaml:1: listen and admin_listen are the same"},
        {"jwt_secret: a\njwt_secret_file: b\n", "eventbus.yaml:2: both jwt_secret and"},
        {"dev: true\nlisten: 0.0.0.0:80\n",
         "eventbus.yaml:2: with dev the server listens on loopback"},
        {"dev: true\nadmin_listen: 10.0.0.1:80\n",
         "eventbus.yaml:2: with dev the server listens on"},
    };
    for (const Case& c : cases) {
        const std::string problems = problems_of(c.text);
        EXPECT_TRUE(problems.starts_with(c.problem)) << c.text << "gives " << problems;
    }
}

TEST_F(ConfigLoader, FindsAllProblemsInOneGo) {
    EXPECT_EQ(std::ranges::count(problems_of("a: 1\nb: 2\nlisten: x\n"), '\n'), 3);
}

TEST_F(ConfigLoader, AFileThatIsNotThereOrTooLargeIsSaid) {
    EXPECT_FALSE(load_config({.file = folder_ / "none.yaml"}).is_good());
    EXPECT_FALSE(load_config({.file = folder_}).is_good());
    EXPECT_FALSE(load_config({.file = file(std::string((1U << 20U) + 1, '#'))}).is_good());
    EXPECT_TRUE(load_config({.file = file(std::string(1U << 20U, '#'))}).is_good());
}

TEST_F(ConfigLoader, AMisspeltVariableIsAWarningAndKubernetesIsLeftAlone) {
    const LoadedConfig loaded =
        load_config({.environment = {{"EVENTBUS_LISTN", "a:1"},
                                     {"EVENTBUS_SERVICE_HOST", "10.0.0.1"},
                                     {"EVENTBUS_PORT_8080_TCP", "tcp://10.0.0.1:8080"}}});

    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_TRUE(loaded.is_good());
    EXPECT_EQ(loaded.problems[0].text(),
              "EVENTBUS_LISTN: warning: this is no setting, and is ignored; did you mean "
              "EVENTBUS_LISTEN?");
}

// jwt_issuer stands in the message to whoever shows another one, where such bytes would break the
// frame.
TEST_F(ConfigLoader, TextsThatReachClientsAreUtf8WithoutControlCharacters) {
    for (const Setting& setting : settings()) {
        SCOPED_TRACE(setting.key);
        Config config;
        for (const char* text : {"caf\xE9", "a\nb", "a\x01"}) {
            const bool is_bytes =
                setting.kind == Setting::Kind::kPath || setting.kind == Setting::Kind::kSecret;
            EXPECT_EQ(setting.assign(config, text).has_value(), is_bytes);
        }
    }
    EXPECT_TRUE(
        problems_of("jwt_issuer: |\n  https://a.b\n")
            .starts_with("eventbus.yaml:1: `jwt_issuer`: the value is not UTF-8, or holds"));
}

TEST_F(ConfigLoader, OneLineEndOfASecretIsLeftOutAndTold) {
    const std::string secret(40, 's');
    for (const ConfigSources& sources :
         {ConfigSources{.environment = {{"EVENTBUS_JWT_SECRET", secret + "\n"}}},
          ConfigSources{.environment = {{"EVENTBUS_JWT_SECRET", secret + "\r\n"}}},
          ConfigSources{.file = file("jwt_secret: |\n  " + secret + "\n")}}) {
        const LoadedConfig loaded = load_config(sources);
        EXPECT_EQ(loaded.config.jwt_secret, secret);
        ASSERT_EQ(loaded.problems.size(), 1u);
        EXPECT_TRUE(loaded.problems[0].warning);
        EXPECT_NE(loaded.problems[0].text().find("the secret ends with a line break"),
                  std::string::npos);
        EXPECT_EQ(loaded.problems[0].text().find("sss"), std::string::npos);
    }
    EXPECT_EQ(
        load_config({.environment = {{"EVENTBUS_JWT_SECRET", secret + "\n\n"}}}).config.jwt_secret,
        secret + "\n");
}

TEST_F(ConfigLoader, NoProblemRepeatsASecret) {
    const std::string problems = problems_of("jwt_secret: [hush]\njwt_secret_file: x\n");
    EXPECT_EQ(problems.find("hush"), std::string::npos) << problems;
}

TEST_F(ConfigLoader, DevListensOnLoopback) {
    EXPECT_EQ(load_config({.flags = {{"dev", "true"}}}).config.listen, "127.0.0.1:8080");
    EXPECT_EQ(load_config({.flags = {{"dev", "true"}, {"listen", "[::1]:0"}}}).config.listen,
              "[::1]:0");
}

// The table in docs/configuration.md, which is this one.
std::string table_of_docs() {
    std::string text;
    std::string_view group;
    for (const Setting& setting : settings()) {
        if (setting.group != group) {
            group = setting.group;
            text += "\n### " + std::string(group) +
                    "\n\n| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n";
        }
        const auto code = [](const std::string& words) {
            return words.empty() ? words : "`" + words + "`";
        };
        text += "| `" + std::string(setting.key) + "` | " + code(setting.default_text()) + " | " +
                setting.range_text() + " | " + std::string(setting.sentence) + " |\n";
    }
    return text;
}

TEST(Settings, AreTheTableInTheDocumentation) {
    fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
    while (!fs::exists(folder / "docs/configuration.md") && folder.has_relative_path()) {
        folder = folder.parent_path();
    }
    std::ifstream file(folder / "docs/configuration.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};

    EXPECT_NE(page.find(table_of_docs()), std::string::npos) << "docs/configuration.md must hold:\n"
                                                             << table_of_docs();
}

TEST(Settings, HaveOneNameEach) {
    const Setting* setting = find_setting("message_bytes_max");

    ASSERT_NE(setting, nullptr);
    EXPECT_EQ(setting->flag(), "--message-bytes-max");
    EXPECT_EQ(setting->environment(), "EVENTBUS_MESSAGE_BYTES_MAX");
    for (const Setting& one : settings()) EXPECT_EQ(find_setting(one.key), &one) << one.key;
}

}  // namespace
}  // namespace eventbus
