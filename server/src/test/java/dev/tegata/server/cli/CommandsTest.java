// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.server.RunningServer;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class CommandsTest {
    private static final RunningServer SERVER = RunningServer.shared();

    @TempDir
    Path home;

    private Shell shell = Shell.in(Path.of("."));

    private String ownerKey = "";

    @BeforeEach
    void open() {
        ownerKey = SERVER.createTenant("Commands").ownerKey();
        shell = Shell.of(SERVER, home).with("TEGATA_API_KEY", ownerKey);
    }

    private Path profile() {
        return home.resolve(".config").resolve("tegata").resolve("profile.yaml");
    }

    private Shell stranger() {
        return Shell.of(SERVER, home);
    }

    private String fleet(String name) {
        return shell.run("fleet", "create", "--name", name, "--json")
                .json()
                .at("/id")
                .asString();
    }

    @Test
    void aNewTenantIsWhatLaterCommandsSpeakFor() throws Exception {
        Shell operator = stranger();
        String said = operator.run("tenant", "create", "--organization", "Neu GmbH", "--country", "DE")
                .text();

        assertThat(said)
                .contains(
                        "Root CA",
                        "Issuing CA",
                        "API key",
                        "fleet create",
                        profile().toString());
        assertThat(Files.getPosixFilePermissions(profile())).isEqualTo(PosixFilePermissions.fromString("rw-------"));
        JsonNode own =
                operator.without("TEGATA_URL").run("tenant", "show", "--json").json();
        assertThat(own.at("/subject/organization").asString()).isEqualTo("Neu GmbH");
        assertThat(operator.run("tenant", "show", own.at("/id").asString(), "--json")
                        .json())
                .isEqualTo(own);
        assertThat(operator.run("tenant", "list", "--limit", "1000").text())
                .contains(own.at("/id").asString());
    }

    @Test
    void aProfileThatExistsStaysUnlessOneAsks() throws Exception {
        Shell operator = stranger();
        operator.run("tenant", "create", "--organization", "Eins", "--country", "DE")
                .text();
        String first = Files.readString(profile());
        List<String> create = List.of("tenant", "create", "--organization", "Zwei", "--country", "DE");

        assertThat(operator.run(create.toArray(String[]::new)).text()).contains("TEGATA_API_KEY");
        assertThat(Files.readString(profile())).isEqualTo(first);
        operator.run("tenant", "create", "--organization", "Drei", "--country", "DE", "--save")
                .text();
        assertThat(Files.readString(profile())).isNotEqualTo(first);
    }

    @Test
    void aProfileThatCannotBeWrittenDoesNotLoseTheKey() throws Exception {
        Path file = Files.writeString(home.resolve("file"), "");
        Shell.Result result = stranger()
                .with("TEGATA_PROFILE", file.resolve("profile.yaml").toString())
                .run("tenant", "create", "--organization", "Vier", "--country", "DE");

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.out()).contains("tgt_");
        assertThat(result.err()).contains("cannot be written");
    }

    @Test
    void onlyTheOperatorMakesTenants() {
        Shell.Result result = Shell.in(home)
                .with("TEGATA_URL", SERVER.server().apiUrl())
                .run("tenant", "create", "--organization", "X", "--country", "DE");
        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("TEGATA_OPERATOR_KEY", "--data");

        Shell wrong = stranger().with("TEGATA_OPERATOR_KEY", "tgo_wrong");
        assertThat(wrong.run("tenant", "list").exitCode()).isEqualTo(1);
        Shell right = stranger().with("TEGATA_OPERATOR_KEY", SERVER.operatorKey());
        assertThat(right.run("tenant", "list", "--json").json().has("items")).isTrue();
    }

    @Test
    void aWrongCountryIsRefusedInTheServersWords() {
        Shell.Result result = stranger().run("tenant", "create", "--organization", "X", "--country", "Germany");

        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.out()).isEmpty();
        assertThat(result.err()).contains("invalid-field", "country");
        assertThat(profile()).doesNotExist();
    }

    @Test
    void ordersArePlacedLookedAtAndTakenBack() throws Exception {
        String fleet = shell.run("fleet", "create", "--name", "Orders", "--check-in-slow", "12h", "--json")
                .json()
                .path("id")
                .asString();
        Path list = Files.writeString(home.resolve("orders.csv"), "serial\n7ace0102030405060708\n");
        shell.run("manifest", "import", list.toString(), "--fleet", fleet, "--statement")
                .text();
        String device = shell.run("device", "list", "--serial", "7ace0102030405060708", "--json")
                .json()
                .at("/items/0/id")
                .asString();
        Path object = Files.writeString(home.resolve("settings"), "on");

        JsonNode placed = shell.run(
                        "device", "order", device, "store", "--name", "settings", "--file", object.toString(), "--json")
                .json();

        assertThat(placed.path("state").asString()).isEqualTo("placed");
        assertThat(shell.run("device", "orders", device).text()).contains("store", "placed");
        assertThat(shell.run("device", "show", "7ACE0102030405060708", "--json")
                        .json()
                        .path("id")
                        .asString())
                .isEqualTo(device);
        assertThat(shell.run("device", "orders", "7ace0102030405060708").text()).contains("store", "placed");
        assertThat(shell.run("device", "show", "7ace01").err()).contains("no device with the id or serial number");
        assertThat(shell.run("device", "retire", "7ace01", "--reason", "x").exitCode())
                .isEqualTo(1);
        assertThat(shell.run("order", "list", "--state", "placed").text()).contains(device);
        shell.run("order", "withdraw", placed.path("id").asString()).text();
        assertThat(shell.run("order", "show", placed.path("id").asString()).text())
                .contains("withdrawn");
        assertThat(shell.run("device", "order", device, "refurbish").exitCode()).isEqualTo(1);
        assertThat(shell.run("gateway", "--server", "http://plain").exitCode()).isEqualTo(2);
    }

    @Test
    void anErrorIsJsonWhereAnswersAre() {
        Shell.Result refused = shell.run("fleet", "show", "nosuch-fleet", "--json");
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).startsWith("{").contains("\"code\"", "\"requestId\"");

        Shell.Result unreachable = shell.run("status", "--json", "--url", "https://localhost:1");
        assertThat(unreachable.exitCode()).isEqualTo(3);
        assertThat(unreachable.err()).startsWith("{\"title\":");
    }

    @Test
    void aWrongCommandLineIsToldAsJsonWhereAnswersAre() {
        Shell.Result option = shell.run("device", "list", "--limit", "many", "--json");
        Shell.Result command = shell.run("--json", "device", "lst");

        assertThat(option.exitCode()).isEqualTo(2);
        assertThat(title(option)).contains("--limit", "many");
        assertThat(title(command)).contains("lst");
    }

    private static String title(Shell.Result result) {
        return JsonMapper.shared().readTree(result.err()).path("title").asString();
    }

    @Test
    void whatCannotBePrintedIsNoSuccess() throws Exception {
        try (OutputStream full = new FileOutputStream("/dev/full")) {
            for (String[] command :
                    List.of(new String[] {"status"}, new String[] {"audit", "export"}, new String[] {"--help"})) {
                Shell.Result result = shell.runInto(full, "", command);
                assertThat(result.exitCode()).as(command[0]).isEqualTo(2);
                assertThat(result.err()).contains("the output could not be written");
            }
        }
    }

    @Test
    void whoeverReadsMayStopReading() throws Exception {
        for (String[] command : List.of(new String[] {"status"}, new String[] {"audit", "export"})) {
            PipedOutputStream left = new PipedOutputStream();
            new PipedInputStream(left).close();
            Shell.Result result = shell.runInto(left, "", command);
            assertThat(result.exitCode()).as(result.err()).isZero();
            assertThat(result.err()).isEmpty();
        }
    }

    @Test
    void anExportGoesIntoAPipeThatHasTheName() throws Exception {
        Path pipe = home.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        CompletableFuture<String> read = CompletableFuture.supplyAsync(() -> {
            try {
                return Files.readString(pipe);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });

        shell.run("audit", "export", "--out", pipe.toString()).text();

        assertThat(read.get(60, TimeUnit.SECONDS)).startsWith("{");
        assertThat(Files.isRegularFile(pipe)).isFalse();
    }

    @Test
    void aFileThatCannotBeWrittenIsSaidWithTheReason() {
        Path nowhere = home.resolve("nowhere").resolve("audit.jsonl");
        Shell.Result result = shell.run("audit", "export", "--out", nowhere.toString());

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("there is no such file or folder");
    }

    @Test
    void aServerThatCannotBeReachedIsToldApart() {
        Shell.Result unknown =
                shell.with("TEGATA_URL", "https://tegata.invalid").run("status");
        assertThat(unknown.exitCode()).isEqualTo(3);
        assertThat(unknown.err()).contains("'tegata.invalid' is not known");

        Shell.Result plain = shell.with(
                        "TEGATA_URL", SERVER.server().publicUrl().replace("http:", "https:"))
                .run("status");
        assertThat(plain.exitCode()).isEqualTo(3);
        assertThat(plain.err()).contains("speaks no TLS").doesNotContain("TEGATA_CA");
    }

    @Test
    void whoHasNoKeyIsToldWhereToPutOne() {
        Shell.Result result = stranger().run("status");

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("TEGATA_API_KEY", "profile set", "tenant create");
    }

    @Test
    void aKeyThatIsNoneIsNeitherSentNorShown() {
        Shell.Result result = Shell.of(SERVER, home)
                .with("TEGATA_API_KEY", "tgt_secret\nsecret")
                .run("status");

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err()).contains("the key that was given is none").doesNotContain("secret");
    }

    @Test
    void aTimeInAnotherFormIsRefusedWithAnExample() {
        Shell.Result result =
                shell.run("apikey", "create", "--name", "x", "--role", "auditor", "--expires", "tomorrow");

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err())
                .contains("'tomorrow' is no time", "2027-01-31T00:00:00Z")
                .doesNotContain("class");
    }

    @Test
    void aServerWhoseCaIsUnknownIsNotSpokenTo() {
        Shell elsewhere =
                Shell.in(home).with("TEGATA_URL", SERVER.server().apiUrl()).with("TEGATA_API_KEY", ownerKey);
        Shell.Result result = elsewhere.run("status");

        assertThat(result.exitCode()).isEqualTo(3);
        assertThat(result.err()).contains("cannot be trusted", "TEGATA_CA");
        Path ca = SERVER.server().authorityFile().orElseThrow();
        assertThat(elsewhere.with("TEGATA_CA", ca.toString()).run("status").exitCode())
                .isZero();
    }

    @Test
    void statusSaysWhatRuns() {
        assertThat(shell.run("status").text()).contains("role", "owner", "claimed");
        assertThat(shell.run("status", "--json").json().at("/role").asString()).isEqualTo("owner");
    }

    @Test
    void aFleetIsMadeShownAndChanged() {
        assertThat(stranger()
                        .with("TEGATA_API_KEY", SERVER.createTenant("Empty").ownerKey())
                        .run("fleet", "list")
                        .text())
                .contains("no fleets yet", "fleet create");
        String id = fleet("Sensors");

        assertThat(shell.run("fleet", "list").text()).contains(id, "Sensors", "CREATED AT");
        shell.run("fleet", "update", id, "--approval", "--lifetime", "90d", "--retry-after", "10m")
                .text();
        JsonNode changed = shell.run("fleet", "show", id, "--json").json();
        assertThat(changed.at("/policy/approvalRequired").asBoolean()).isTrue();
        assertThat(changed.at("/policy/retryAfter").asString()).isEqualTo("PT10M");
        assertThat(changed.at("/profile/lifetime").asString()).isEqualTo("P90D");
        shell.run("fleet", "update", id, "--no-approval", "--name", "Probes").text();
        assertThat(shell.run("fleet", "show", id).text()).contains("Probes", "PT10M");
        assertThat(shell.run("fleet", "update", id).exitCode()).isEqualTo(2);
        assertThat(shell.run("fleet", "update", id, "--lifetime", "soon").exitCode())
                .isEqualTo(2);
    }

    @Test
    void aFleetSaysWhatItAsksOfEvidenceAndWhatFollows() {
        String id = fleet("Judged");
        shell.run(
                        "fleet",
                        "update",
                        id,
                        "--freshness=24h",
                        "--consequence=shorten-life=1h",
                        "--consequence=suspend=3d",
                        "--evidence-at-enrolment",
                        "--evidence-at-renewal",
                        "--accept-warnings",
                        "--longest-life=12h")
                .text();
        JsonNode policy = shell.run("fleet", "show", id, "--json").json().path("policy");
        assertThat(policy.path("attestation"))
                .hasToString("{\"freshness\":\"PT24H\",\"consequences\":["
                        + "{\"action\":\"shorten-life\",\"after\":\"PT1H\"},"
                        + "{\"action\":\"suspend\",\"after\":\"PT72H\"}]}");
        assertThat(policy.path("evidence"))
                .hasToString("{\"atEnrolment\":true,\"atRenewal\":true,\"acceptWarnings\":true,"
                        + "\"certificateLife\":\"PT12H\"}");
        assertThat(shell.run("fleet", "show", id).text()).contains("shorten-life", "PT72H", "PT12H");
        shell.run("fleet", "update", id, "--consequence=none", "--no-accept-warnings")
                .text();
        JsonNode after = shell.run("fleet", "show", id, "--json").json().path("policy");
        assertThat(after.at("/attestation/consequences").size()).isZero();
        assertThat(after.at("/attestation/freshness").asString()).isEqualTo("PT24H");
        assertThat(after.at("/evidence/acceptWarnings").asBoolean()).isFalse();
        for (String wrong : List.of("suspend", "suspend=soon", "=1h")) {
            assertThat(shell.run("fleet", "update", id, "--consequence=" + wrong)
                            .exitCode())
                    .isEqualTo(2);
        }
        assertThat(shell.run("fleet", "update", id, "--consequence=explode=1h").err())
                .contains("shorten-life, refuse-renewal");
        assertThat(shell.run("fleet", "update", id, "--freshness=1h").err()).contains("certificateLife");
    }

    @Test
    void aFleetTakesAWholeCertificateProfileFromAFile() throws Exception {
        Path file = Files.writeString(home.resolve("profile.json"), "{\"extendedKeyUsages\":[\"serverAuth\"]}");
        JsonNode fleet = shell.run(
                        "fleet",
                        "create",
                        "--name",
                        "Gateways",
                        "--certificate-profile",
                        file.toString(),
                        "--json",
                        "--key-algorithm",
                        "ec-p256",
                        "--key-algorithm",
                        "ec-p384")
                .json();

        assertThat(fleet.at("/profile/extendedKeyUsages/0").asString()).isEqualTo("serverAuth");
        assertThat(fleet.at("/profile/keyAlgorithms").size()).isEqualTo(2);
        assertThat(shell.runWith("[1]", "fleet", "create", "--name", "X", "--certificate-profile", "-")
                        .exitCode())
                .isEqualTo(2);
    }

    @Test
    void listingsSayHowToGoOn() {
        fleet("One");
        fleet("Two");
        String said = shell.run("fleet", "list", "--limit", "1").text();
        String cursor = shell.run("fleet", "list", "--limit", "1", "--json")
                .json()
                .at("/next")
                .asString();

        assertThat(said).contains("--cursor " + cursor);
        assertThat(shell.run("fleet", "list", "--limit", "1", "--cursor", cursor)
                        .exitCode())
                .isZero();
        assertThat(shell.run("fleet", "list", "--limit", "5000").exitCode()).isEqualTo(1);
    }

    @Test
    void authoritiesAreShownAndTheirChainsPrinted() {
        JsonNode issuing = shell.run("authority", "list", "--json").json().at("/items/1");
        String id = issuing.at("/id").asString();

        assertThat(shell.run("authority", "list").text()).contains(id, "issuing", "VALID UNTIL");
        assertThat(shell.run("authority", "show", id).text())
                .contains("fingerprint")
                .doesNotContain("BEGIN");
        String chain = shell.run("authority", "chain", id).text();
        assertThat(chain).startsWith("-----BEGIN CERTIFICATE-----");
        assertThat(shell.run("authority", "chain", id, "--json")
                        .json()
                        .at("/chain")
                        .asString())
                .isEqualTo(chain);
        assertThat(shell.run("authority", "csr", id).exitCode()).isEqualTo(1);
    }

    @Test
    void anAuthorityIsMadeUnderAnother() {
        String root = shell.run("authority", "list", "--json")
                .json()
                .at("/items/0/id")
                .asString();
        JsonNode made = shell.run(
                        "authority",
                        "create",
                        "--name",
                        "Factory",
                        "--subject",
                        "CN=Factory CA,O=Commands GmbH,C=DE",
                        "--parent",
                        root,
                        "--json")
                .json();

        assertThat(made.at("/state").asString()).isEqualTo("active");
        assertThat(made.at("/parent").asString()).isEqualTo(root);
    }

    @Test
    void anAuthorityWhoseRootIsElsewhereIsSignedThere() throws Exception {
        String said = shell.run("authority", "create", "--name", "Own", "--subject", "CN=Own CA,O=Commands GmbH,C=DE")
                .text();
        assertThat(said).contains("authority csr", "authority upload");
        String id = said.lines()
                .filter(line -> line.startsWith("id "))
                .map(line -> line.substring(3).strip())
                .findFirst()
                .orElseThrow();

        assertThat(shell.run("authority", "upload", id, home.resolve("absent").toString())
                        .exitCode())
                .isEqualTo(2);
        assertThat(shell.runWith("no certificate", "authority", "upload", id, "-")
                        .exitCode())
                .isEqualTo(1);
        assertThat(signedElsewhere(id)).contains("active");
    }

    private String signedElsewhere(String id) throws Exception {
        Path folder = Files.createDirectory(home.resolve(id));
        Path request = Files.writeString(
                folder.resolve("request.pem"), shell.run("authority", "csr", id).text());
        return shell.run(
                        "authority", "upload", id, OwnRoot.sign(folder, request).toString())
                .text();
    }

    @Test
    void aCompromisedOneWhoseRootIsElsewhereIsReplacedByOneMadeAhead() throws Exception {
        List<String> made = new ArrayList<>();
        for (String name : List.of("Lost CA", "Next CA")) {
            JsonNode own = shell.run("authority", "create", "--name", name, "--subject", "CN=" + name, "--json")
                    .json();
            made.add(own.path("id").asString());
            signedElsewhere(own.path("id").asString());
        }
        String lost = made.getFirst();
        String next = made.getLast();
        String fleet = shell.run("fleet", "create", "--name", "Own", "--authority", lost, "--json")
                .json()
                .path("id")
                .asString();

        Shell.Result refused = shell.run("authority", "compromise", lost);
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("name it as its replacement");
        JsonNode rollover = shell.run("authority", "compromise", lost, "--replacement", next, "--json")
                .json();

        assertThat(rollover.path("newAuthority").asString()).isEqualTo(next);
        assertThat(shell.run("fleet", "show", fleet, "--json")
                        .json()
                        .path("authority")
                        .asString())
                .isEqualTo(next);
        assertThat(shell.run("authority", "show", lost, "--json")
                        .json()
                        .path("state")
                        .asString())
                .isEqualTo("retired");
    }

    @Test
    void anAuthorityIsTakenInWithItsKey() throws Exception {
        OwnRoot.Pair old = OwnRoot.make(home);
        JsonNode taken = shell.runWith(
                        Files.readString(old.key()),
                        "authority",
                        "import",
                        "--name",
                        "Old CA",
                        "--certificates",
                        old.certificate().toString(),
                        "--key",
                        "-",
                        "--json")
                .json();

        assertThat(taken.at("/state").asString()).isEqualTo("active");
    }

    @Test
    void apiKeysAreMadeListedAndRevoked() {
        String said = shell.run(
                        "apikey",
                        "create",
                        "--name",
                        "ERP",
                        "--role",
                        "device-import",
                        "--expires",
                        "2100-01-01T00:00:00Z")
                .text();
        String secret = said.lines().toList().getLast().strip();
        String id = secret.split("_", 4)[2];

        assertThat(said).contains("shown this once");
        assertThat(shell.run("apikey", "list").text()).contains(id, "ERP").doesNotContain(secret);
        assertThat(stranger()
                        .with("TEGATA_API_KEY", secret)
                        .run("fleet", "list")
                        .exitCode())
                .isZero();
        assertThat(stranger()
                        .with("TEGATA_API_KEY", secret)
                        .run("device", "list")
                        .exitCode())
                .isEqualTo(1);
        assertThat(shell.run("apikey", "revoke", id, "--json").json().isEmpty()).isTrue();
        assertThat(stranger()
                        .with("TEGATA_API_KEY", secret)
                        .run("fleet", "list")
                        .exitCode())
                .isEqualTo(1);
    }

    @Test
    void theAuditChainIsExportedAndVerifiedOffline() throws Exception {
        fleet("Audited");
        Path file = home.resolve("audit.jsonl");

        assertThat(shell.run("audit", "list", "--limit", "2").text()).contains("fleet.created");
        shell.run("audit", "export", "--out", file.toString()).text();
        assertThat(shell.run("audit", "export").text()).startsWith("{");
        Shell offline = Shell.in(home);
        assertThat(offline.run("audit", "verify", file.toString()).text()).contains("intact");
        assertThat(offline.run("audit", "verify", file.toString(), "--json")
                        .json()
                        .at("/intact")
                        .asBoolean())
                .isTrue();

        String broken = Files.readString(file).replace("Audited", "Forged!");
        Shell.Result result = offline.runWith(broken, "audit", "verify", "-");
        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.err()).contains("broken at line");
        Shell.Result json = offline.runWith(broken, "audit", "verify", "-", "--json");
        assertThat(json.exitCode()).isEqualTo(1);
        assertThat(json.out()).contains("\"intact\" : false");
    }

    @Test
    void theProfileSaysWhereThingsComeFromAndNoSecret() throws Exception {
        Shell fresh = stranger();
        assertThat(fresh.runWith(ownerKey + "\n", "profile", "set", "--api-key-file", "-")
                        .text())
                .contains("Stored");
        Path ca = SERVER.server().authorityFile().orElseThrow();
        fresh.run("profile", "set", "--url", SERVER.server().apiUrl(), "--ca", ca.toString())
                .text();

        Shell.Result shown = fresh.without("TEGATA_URL").without("TEGATA_DATA").run("profile", "show", "--json");
        assertThat(shown.json().at("/urlFrom").asString()).isEqualTo(profile().toString());
        assertThat(shown.out()).doesNotContain(ownerKey.substring(ownerKey.length() - 20));
        assertThat(fresh.run("status").exitCode()).isZero();
        assertThat(fresh.run("profile", "set").exitCode()).isEqualTo(2);
        assertThat(fresh.run("profile", "set", "--url", "http://x").exitCode()).isEqualTo(2);

        Files.setPosixFilePermissions(profile(), PosixFilePermissions.fromString("rw-r--r--"));
        assertThat(fresh.run("status").err()).contains("chmod 600");
        Files.writeString(profile(), "apiKey: 'secret\nx");
        assertThat(fresh.run("status").exitCode()).isEqualTo(2);
        assertThat(fresh.run("status").err()).contains("no YAML").doesNotContain("secret");
        Files.writeString(profile(), "apikey: x");
        assertThat(fresh.run("status").err()).contains("unknown key 'apikey'");
    }

    @Test
    void aWordFromOutsideCannotSteerTheTerminal() {
        shell.run("apikey", "create", "--name", "x\u009b2Jy", "--role", "auditor");

        assertThat(shell.run("apikey", "list").text()).doesNotContain("\u009b");
    }
}
