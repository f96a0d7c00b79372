// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.device.DeviceState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What the documentation says of the code, held against the code.
class DocumentationTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern FENCE = Pattern.compile("(?ms)^```.*?^```");
    private static final Pattern GENERATED =
            Pattern.compile("(<!-- made from DeviceState -->\\n).*(<!-- end -->\\n)", Pattern.DOTALL);
    private static final Pattern LINK = Pattern.compile("(?:\\]\\(|src=\"|srcset=\")([^)\"\\s]+)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.+)$");

    @Test
    void everyRelativeLinkLeadsToSomethingThatIsThere() throws IOException {
        List<String> dead = new ArrayList<>();
        for (Path page : pages()) {
            Matcher link = LINK.matcher(prose(page));
            while (link.find()) {
                String target = link.group(1);
                if (!target.matches("(https?|mailto):.*") && !leads(page, target)) {
                    dead.add(ROOT.relativize(page) + ": " + target);
                }
            }
        }

        assertThat(dead).isEmpty();
    }

    @Test
    void everyPageIsInTheIndexOfItsFolder() throws IOException {
        List<String> lost = new ArrayList<>();
        for (Path page : pages()) {
            Path index = page.resolveSibling("README.md");
            if (page.startsWith(ROOT.resolve("docs")) && !page.equals(index)) {
                Path responsible = Files.exists(index) ? index : ROOT.resolve("docs/README.md");
                if (!linkedPages(responsible).contains(page)) {
                    lost.add(ROOT.relativize(page).toString());
                }
            }
        }

        assertThat(lost).isEmpty();
    }

    private static List<Path> linkedPages(Path index) throws IOException {
        return LINK.matcher(prose(index))
                .results()
                .map(link ->
                        index.resolveSibling(link.group(1).split("#", 2)[0]).normalize())
                .toList();
    }

    @Test
    void theReferenceHasEverySettingAndNoOther() throws IOException {
        String reference = Files.readString(ROOT.resolve("docs/reference/configuration.md"));
        List<String> rows = reference
                .lines()
                .filter(line -> line.matches("\\| (`[a-z0-9-]+`|\\(environment only\\)) \\| `TEGATA_.*"))
                .toList();

        assertThat(rows)
                .containsExactlyInAnyOrderElementsOf(Arrays.stream(Setting.values())
                        .map(DocumentationTest::row)
                        .toList());
    }

    /// Run with `-Dtests.args=-Dtegata.write-docs` to bring the page up to date.
    @Test
    void theDiagramOfDeviceStatesIsMadeFromTheStateMachine() throws IOException {
        Path page = ROOT.resolve("docs/reference/device-states.md");
        String before = Files.readString(page);
        String after = GENERATED
                .matcher(before)
                .replaceFirst(match -> Matcher.quoteReplacement(match.group(1) + stateMachine() + match.group(2)));
        if (System.getProperty("tegata.write-docs") != null) {
            Files.writeString(page, after);
        }

        assertThat(before).isEqualTo(after);
    }

    private static String stateMachine() {
        StringBuilder diagram = new StringBuilder("```mermaid\nstateDiagram-v2\n    [*] --> claimed: claim\n");
        StringBuilder table = new StringBuilder("| From | Step | To |\n|---|---|---|\n");
        for (DeviceState state : DeviceState.values()) {
            for (DeviceState.Action action : DeviceState.Action.values()) {
                state.after(action).ifPresent(next -> {
                    diagram.append("    %s --> %s: %s\n".formatted(name(state), name(next), name(action)));
                    table.append("| `%s` | %s | `%s` |\n".formatted(name(state), name(action), name(next)));
                });
            }
        }
        return diagram.append("    retired --> [*]\n```\n\n").append(table).toString();
    }

    private static String row(Setting setting) {
        String key = setting.isSecret() ? "(environment only)" : "`" + setting.key() + "`";
        String fallback = setting.fallback().isEmpty() ? "" : "`" + setting.fallback() + "`";
        return "| %s | `%s` | %s | %s |".formatted(key, setting.variable(), fallback, setting.description());
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    private static List<Path> pages() throws IOException {
        try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"));
                Stream<Path> top = Files.list(ROOT)) {
            return Stream.concat(docs, top)
                    .filter(path -> path.toString().endsWith(".md"))
                    .toList();
        }
    }

    private static boolean leads(Path page, String link) throws IOException {
        String[] parts = link.split("#", 2);
        Path target = parts[0].isEmpty() ? page : page.resolveSibling(parts[0]).normalize();
        if (!Files.exists(target)) {
            return false;
        }
        return parts.length == 1
                || HEADING.matcher(prose(target))
                        .results()
                        .anyMatch(heading -> anchor(heading.group(1)).equals(parts[1]));
    }

    /// As GitHub makes it of a heading.
    private static String anchor(String heading) {
        return heading.toLowerCase(Locale.ROOT)
                .replaceAll("[^\\p{L}\\p{N} _-]", "")
                .replace(' ', '-');
    }

    private static String prose(Path page) throws IOException {
        return FENCE.matcher(Files.readString(page)).replaceAll("");
    }
}
