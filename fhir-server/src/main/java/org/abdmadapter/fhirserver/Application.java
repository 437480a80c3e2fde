package org.abdmadapter.fhirserver;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.batch.BatchAutoConfiguration;
import org.springframework.boot.autoconfigure.data.jpa.JpaRepositoriesAutoConfiguration;
import org.springframework.boot.autoconfigure.elasticsearch.ElasticsearchClientAutoConfiguration;
import org.springframework.boot.autoconfigure.elasticsearch.ElasticsearchRestClientAutoConfiguration;
import org.springframework.boot.autoconfigure.flyway.FlywayAutoConfiguration;
import org.springframework.boot.autoconfigure.graphql.GraphQlAutoConfiguration;
import org.springframework.boot.autoconfigure.orm.jpa.HibernateJpaAutoConfiguration;
import org.springframework.boot.autoconfigure.quartz.QuartzAutoConfiguration;
import org.springframework.boot.autoconfigure.thymeleaf.ThymeleafAutoConfiguration;
import org.springframework.context.annotation.Import;

/**
 * The FHIR R4 store of the ABDM adapter: HAPI's JPA server with the settings that the adapter needs.
 *
 * <p>HAPI brings its own entity manager, scheduler and job engine. The auto-configurations that Spring
 * Boot would add merely because their libraries are on the class path are left out, since they would
 * start a second one of each, or look for servers (Elasticsearch) that are not there.
 */
@SpringBootApplication(
        exclude = {
            BatchAutoConfiguration.class,
            ElasticsearchClientAutoConfiguration.class,
            ElasticsearchRestClientAutoConfiguration.class,
            FlywayAutoConfiguration.class,
            GraphQlAutoConfiguration.class,
            HibernateJpaAutoConfiguration.class,
            JpaRepositoriesAutoConfiguration.class,
            QuartzAutoConfiguration.class,
            ThymeleafAutoConfiguration.class
        })
@Import({
    JpaR4Config.class,
    HapiJpaConfig.class,
    ThreadPoolFactoryConfig.class,
    SubscriptionChannelConfig.class,
    SubscriptionProcessorConfig.class,
    SubscriptionSubmitterConfig.class,
    JpaBatch2Config.class,
    Batch2JobsConfig.class
})
public class Application {

    /**
     * The log in which the server tells a waiting person how far it is. Whoever starts the server may
     * show these lines; no other logger writes under this name.
     */
    static final Logger PROGRESS = LoggerFactory.getLogger("fhir-server");

    public static void main(String[] arguments) {
        SpringApplication application = new SpringApplication(Application.class);
        // Before anything is built: a server that may not start says so at once, not after half a minute.
        application.addInitializers(
                context -> {
                    AccessPolicy.from(context.getEnvironment());
                    PROGRESS.info("Starting the FHIR server.");
                });
        application.run(arguments);
    }
}
