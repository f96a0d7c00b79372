// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.platform.RefusedException;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DatabaseConfigTest {
    @ParameterizedTest
    @CsvSource({
        "postgresql://u:p@h:5433/d, jdbc:postgresql://h:5433/d, u, p",
        "postgres://u:p@h/d, jdbc:postgresql://h/d, u, p",
        "jdbc:postgresql://h/d?user=u&password=p, jdbc:postgresql://h/d, u, p",
        "postgresql://u@h/d, jdbc:postgresql://h/d, u, ''",
        "postgresql://u:p%40%2F%3A+@h/d, jdbc:postgresql://h/d, u, p@/:+",
        "postgresql://u:p@@h/d, jdbc:postgresql://h/d, u, p@",
        "postgresql://u:p@[::1]:5433/d, jdbc:postgresql://[::1]:5433/d, u, p",
        "'postgresql://u:p@a:1,b:2/d?targetServerType=primary', 'jdbc:postgresql://a:1,b:2/d?targetServerType=primary', u, p",
        "postgresql://u:p@h/d?sslmode=verify-full&connect_timeout=3, jdbc:postgresql://h/d?connectTimeout=3&sslmode=verify-full, u, p",
    })
    void readsTheUsualForms(String url, String jdbcUrl, String user, String password) {
        DatabaseConfig config = DatabaseConfig.parse(url);
        assertThat(config.jdbcUrl()).isEqualTo(jdbcUrl);
        assertThat(config.user()).isEqualTo(user);
        assertThat(config.password()).isEqualTo(password);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "mysql://u:hunter2@h/d",
                "postgresql://u:hunter2@h",
                "postgresql://u:hunter2@h/",
                "postgresql://u:hunter2@/d",
                "postgresql://h/d",
                "postgresql://u:hunter2%zz@h/d",
                "postgresql://u:hunter2@h/d?sslmode",
            })
    void refusesOtherFormsWithoutRepeatingThem(String url) {
        assertThatThrownBy(() -> DatabaseConfig.parse(url))
                .isInstanceOf(RefusedException.class)
                .hasMessageNotContaining("hunter2");
    }

    @Test
    void showsNoSecret() {
        DatabaseConfig config = DatabaseConfig.parse("postgresql://u:hunter2@h/d?sslpassword=hunter2");
        assertThat(config).asString().isEqualTo("DatabaseConfig[postgresql://h/d, user=u, poolSize=16]");
        assertThat(config.withPassword("hunter3").withPoolSize(3)).asString().doesNotContain("hunter");
    }

    @Test
    void whateverIsReadIsReadOrRefused() {
        Random random = new Random(20260701);
        String good = "jdbc:postgresql://user:pa%20ss@host:5432/database?sslmode=require&user=other";
        for (int i = 0; i < 20_000; i++) {
            StringBuilder mutated = new StringBuilder(good);
            for (int change = random.nextInt(4); change >= 0; change--) {
                int at = random.nextInt(mutated.length());
                switch (random.nextInt(3)) {
                    case 0 -> mutated.deleteCharAt(at);
                    case 1 -> mutated.insert(at, "%@:/?&= \u0000é".charAt(random.nextInt(10)));
                    default -> mutated.setCharAt(at, (char) random.nextInt(0x180));
                }
            }
            try {
                assertThat(DatabaseConfig.parse(mutated.toString()).jdbcUrl()).startsWith("jdbc:postgresql://");
            } catch (RefusedException e) {
                assertThat(e.detail()).doesNotContain("pa%20ss");
            }
        }
    }
}
