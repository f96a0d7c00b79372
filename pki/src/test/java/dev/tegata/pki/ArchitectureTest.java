// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.time.InstantSource;
import org.junit.jupiter.api.Test;

/// What this module may know of.
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.tegata.pki");
    private static final String[] PURE = {
        "dev.tegata.pki", "dev.tegata.pki.der..", "dev.tegata.pki.certificate..", "dev.tegata.pki.path.."
    };

    @Test
    void theModuleKnowsTheJdkAndCryptoProvidersOnly() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.tegata.pki..",
                        "java..",
                        "javax.crypto..",
                        "javax.security..",
                        "org.conscrypt..",
                        "org.bouncycastle..",
                        "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void certificatesAreMadeWithoutClockOrInputAndOutput() {
        noClasses()
                .that()
                .resideInAnyPackage(PURE)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.nio.file..", "java.net.http..", "java.sql..", "org.bouncycastle..")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.io.File")
                .orShould()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.net.Socket")
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(InstantSource.class)
                .orShould()
                .callMethod(Instant.class, "now")
                .orShould()
                .callMethod(Clock.class, "systemUTC")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callConstructor(SecureRandom.class)
                .check(CLASSES);
    }

    @Test
    void theLayersPointDown() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.pki.der..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.pki.certificate..", "dev.tegata.pki.path..", "dev.tegata.pki.key..")
                .check(CLASSES);
        noClasses()
                .that()
                .resideInAnyPackage("dev.tegata.pki.certificate..", "dev.tegata.pki.key..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.tegata.pki.path..")
                .check(CLASSES);
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.pki.key..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.tegata.pki.certificate..")
                .check(CLASSES);
    }
}
