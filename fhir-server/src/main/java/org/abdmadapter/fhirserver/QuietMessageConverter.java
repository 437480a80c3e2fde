package org.abdmadapter.fhirserver;

import ch.qos.logback.classic.pattern.ThrowableHandlingConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.StackTraceElementProxy;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Prints an event and where its exception arose and of which kind it is, but not what it says.
 *
 * <p>HAPI's and the database's messages quote the search or the record that caused them, and personal
 * data has no place in a log. While the server starts there are no requests, and a message such as
 * "connection refused" is what the operator needs; so only those of the starting thread are printed.
 */
public class QuietMessageConverter extends ThrowableHandlingConverter {

    private static final String STARTING_THREAD = "main";
    private static final int FRAMES = 6;
    /** HAPI numbers its messages; the number can be looked up and says nothing of the patient. */
    private static final Pattern HAPI_NUMBER = Pattern.compile("HAPI-\\d{4}");

    @Override
    public String convert(ILoggingEvent event) {
        boolean starting = event.getThreadName().equals(STARTING_THREAD);
        String message = event.getFormattedMessage();
        StringBuilder causes = new StringBuilder();
        for (IThrowableProxy cause = event.getThrowableProxy(); cause != null; cause = cause.getCause()) {
            String said = cause.getMessage() == null ? "" : cause.getMessage();
            String shown = starting ? said : number(said);
            if (!said.isEmpty()) {
                // Many a caller has put the exception's text into its own message.
                message = message.replace(said, shown);
            }
            causes.append("    ").append(cause.getClassName()).append(": ").append(shown).append('\n');
            StackTraceElementProxy[] frames = cause.getStackTraceElementProxyArray();
            for (int i = 0; i < Math.min(FRAMES, frames.length); i++) {
                causes.append("        ").append(frames[i].getSTEAsString()).append('\n');
            }
        }
        return message + '\n' + causes;
    }

    private static String number(String said) {
        Matcher number = HAPI_NUMBER.matcher(said);
        return number.find() ? number.group() : "(not logged)";
    }
}
