package org.abdmadapter.fhirserver;

import javax.sql.DataSource;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.DependsOn;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Component;

/**
 * On H2, HAPI's index of what points at a record, without the column that makes H2 read all of it.
 *
 * <p>HAPI asks for a path, a list of targets and one target type. Of these H2 takes the type first, and then can no
 * longer go through the index target by target: every `_revinclude` costs a walk over all references on the server.
 * Hibernate looks for the index by its name only, so that it stays as it is made here. PostgreSQL needs none of this.
 */
@Component
@DependsOn("entityManagerFactory")
class LinkIndex {

    private static final String NAME = "IDX_RL_TGT_V2";

    LinkIndex(DataSource dataSource, @Value("${spring.datasource.url}") String url) {
        if (url.startsWith("jdbc:h2:")) {
            narrow(new JdbcTemplate(dataSource));
        }
    }

    private static void narrow(JdbcTemplate database) {
        Integer types = database.queryForObject(
                "SELECT COUNT(*) FROM INFORMATION_SCHEMA.INDEX_COLUMNS"
                        + " WHERE INDEX_NAME = ? AND COLUMN_NAME = 'TARGET_RESOURCE_TYPE'",
                Integer.class,
                NAME);
        if (types != null && types > 0) {
            database.execute("DROP INDEX " + NAME);
            database.execute(
                    "CREATE INDEX " + NAME + " ON HFJ_RES_LINK (TARGET_RESOURCE_ID, SRC_PATH, SRC_RESOURCE_ID)");
        }
    }
}
