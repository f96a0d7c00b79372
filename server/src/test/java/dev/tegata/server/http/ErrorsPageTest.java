// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.platform.ErrorCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class ErrorsPageTest {
    /// Run with `-Dtests.args=-Dtegata.write-docs` to bring the file up to date.
    @Test
    void theDocumentedErrorsAreTheOnesInTheCode() throws Exception {
        Path page = Path.of("..", "docs", "reference", "errors.md");
        if (System.getProperty("tegata.write-docs") != null) {
            Files.createDirectories(page.getParent());
            Files.writeString(page, ErrorsPage.text());
        }

        assertThat(page).hasContent(ErrorsPage.text());
    }

    @Test
    void numbersAndCodesAreUnique() {
        Stream<Integer> numbers = Arrays.stream(ErrorCode.values()).map(ErrorCode::number);

        assertThat(numbers).doesNotHaveDuplicates();
    }
}
