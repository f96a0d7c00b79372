// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Enrolment: who may have a certificate, for which key, and how it is issued without ever being lost.
@NullMarked
package dev.tegata.platform.enrol;

import org.jspecify.annotations.NullMarked;
