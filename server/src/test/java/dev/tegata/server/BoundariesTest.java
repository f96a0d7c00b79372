// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import org.junit.jupiter.api.Test;

/// The walls between the rooms of the house, and the rules that hold in all of them.
class BoundariesTest {
    private static final String STORE = "dev.tegata.platform.store..";
    private static final JavaClasses ALL = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            // Test support of other modules comes in a jar of its own once they are packaged.
            .withImportOption(location -> !location.contains("-tests.jar"))
            .importPackages("dev.tegata");

    private static final String[] DATABASE = {
        "java.sql..", "javax.sql..", "org.jdbi..", "org.postgresql..", "com.zaxxer.."
    };
    private static final String[] HTTP = {"io.vertx..", "io.netty..", "com.sun.net.httpserver.."};

    @Test
    void librariesKnowNoDatabaseNoHttpAndNoRoomAboveThem() {
        String[] libraries = {
            "dev.tegata.pki..", "dev.tegata.attestation..", "dev.tegata.protocol..", "dev.tegata.chip.."
        };
        noClasses()
                .that()
                .resideInAnyPackage(libraries)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(DATABASE)
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage(HTTP)
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "java.net.http..", "dev.tegata.platform..", "dev.tegata.server..", "dev.tegata.agent..")
                .check(ALL);
    }

    @Test
    void arrowsBetweenModulesPointDown() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.pki..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.attestation..", "dev.tegata.protocol..", "dev.tegata.chip..")
                .check(ALL);
        noClasses()
                .that()
                .resideInAnyPackage("dev.tegata.attestation..", "dev.tegata.protocol..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.tegata.chip..")
                .check(ALL);
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.platform..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.server..", "dev.tegata.agent..", "dev.tegata.chip..")
                .check(ALL);
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.agent..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.server..", "dev.tegata.platform..")
                .check(ALL);
    }

    @Test
    void theDomainKnowsNoHttp() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.platform..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(HTTP)
                .orShould()
                .dependOnClassesThat()
                .resideInAPackage("java.net.http..")
                .check(ALL);
    }

    @Test
    void adaptersHoldNoSql() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.server..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(DATABASE)
                .check(ALL);
    }

    @Test
    void vertxAndNettyStayInsideTheHttpPackage() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata..")
                .and()
                .resideOutsideOfPackage("dev.tegata.server.http..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(HTTP)
                .check(ALL);
    }

    @Test
    void californiumStaysInsideTheCoapPackage() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata..")
                .and()
                .resideOutsideOfPackage("dev.tegata.server.coap..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.eclipse.californium..")
                .check(ALL);
    }

    @Test
    void onlyTheStoreOpensConnections() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata..")
                .and()
                .resideOutsideOfPackages(STORE, "dev.tegata.bench..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("javax.sql..", "com.zaxxer..", "org.postgresql..")
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(java.sql.DriverManager.class)
                .check(ALL);
    }

    @Test
    void onlyTheStoreLooksAcrossTenants() {
        noClasses()
                .that()
                .resideOutsideOfPackages(
                        STORE,
                        "dev.tegata.platform.tenant..",
                        "dev.tegata.platform.claim..",
                        "dev.tegata.platform.custody..",
                        "dev.tegata.platform.status..",
                        "dev.tegata.platform.health..",
                        "dev.tegata.platform.job..",
                        "dev.tegata.platform.device..",
                        "dev.tegata.platform.enrol..",
                        "dev.tegata.platform.metering..",
                        "dev.tegata.platform.webhook..")
                .should()
                .callMethodWhere(com.tngtech.archunit.base.DescribedPredicate.describe(
                        "look across tenants",
                        call -> call.getTarget().getName().equals("acrossTenants")))
                .check(ALL);
    }

    @Test
    void nobodyAsksTheSystemForTheTime() {
        for (Class<?> time : new Class<?>[] {
            Instant.class, LocalDate.class, LocalDateTime.class, OffsetDateTime.class, ZonedDateTime.class
        }) {
            noClasses().should().callMethod(time, "now").check(ALL);
        }
        noClasses().should().callMethod(Clock.class, "systemUTC").check(ALL);
        noClasses().should().callMethod(System.class, "currentTimeMillis").check(ALL);
    }

    @Test
    void protocolsKnowNothingOfEachOther() {
        SlicesRuleDefinition.slices()
                .matching("dev.tegata.server.(*)..")
                .should()
                .beFreeOfCycles()
                .check(ALL);
        noClasses()
                .that()
                .resideInAnyPackage(
                        "dev.tegata.server.est..",
                        "dev.tegata.server.cmp..",
                        "dev.tegata.server.coap..",
                        "dev.tegata.server.acme..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.server.api..", "dev.tegata.server.cli..")
                .check(ALL);
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.server.http..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.server.api..", "dev.tegata.server.est..", "dev.tegata.server.cli..")
                .check(ALL);
    }

    @Test
    void theCommandLineIsAClientOfTheApiAndNothingMore() {
        noClasses()
                .that()
                .resideInAPackage("dev.tegata.server.cli..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.tegata.server.api..", STORE)
                .check(ALL);
    }

    @Test
    void everyPackageSaysThatItTakesNoNull() {
        classes()
                .that()
                .haveSimpleName("package-info")
                .should()
                .beAnnotatedWith(org.jspecify.annotations.NullMarked.class)
                .check(ALL);
    }
}
