package org.abdmadapter.fhirserver;

import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.ClientIdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.IdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.StoreMetaSourceInformationEnum;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** How HAPI stores and searches. Each setting is one that the adapter's behaviour depends on. */
@Configuration
class StorageConfiguration {

    @Bean
    JpaStorageSettings storageSettings() {
        JpaStorageSettings settings = new JpaStorageSettings();

        // Ids: the adapter derives them and PUTs. HAPI refuses a purely numeric one from a client.
        settings.setResourceClientIdStrategy(ClientIdStrategyEnum.ALPHANUMERIC);
        settings.setResourceServerIdStrategy(IdStrategyEnum.UUID);

        // References: a prescription may come before its visit. The target is then created as a
        // placeholder, because without a target no link is indexed and _revinclude would miss it.
        settings.setEnforceReferentialIntegrityOnWrite(true);
        settings.setAutoCreatePlaceholderReferenceTargets(true);
        settings.setAllowExternalReferences(true);
        // Received records are erased even while something still points at them.
        settings.setEnforceReferentialIntegrityOnDelete(false);

        // Erasure: out of the version history too.
        settings.setExpungeEnabled(true);

        // meta.source is the sending facility, as given: no request id is appended to it.
        settings.setStoreMetaSourceInformation(StoreMetaSourceInformationEnum.SOURCE_URI);

        // A search sees each write at once; null switches the reuse of earlier results off.
        settings.setReuseCachedSearchResultsForMillis(null);

        // Every resource of the guide is still marked as a draft.
        settings.setValidateResourceStatusForPackageUpload(false);

        // Terminology of the guide is complete when the start is, and a document validates alike at any
        // time: nothing is expanded later in the background, where the half of it that needs SNOMED CT
        // would fail anyway.
        settings.setDeferIndexingForCodesystemsOfSize(0);
        settings.setPreExpandValueSets(false);
        settings.setEnableTaskPreExpandValueSets(false);
        return settings;
    }

    @Bean
    SubscriptionSettings subscriptionSettings() {
        SubscriptionSettings settings = new SubscriptionSettings();
        settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
        return settings;
    }

    @Bean
    PartitionSettings partitionSettings() {
        return new PartitionSettings();
    }

    /** HAPI asks for one; with the channel type "email" switched off it is never called. */
    @Bean
    IEmailSender emailSender() {
        return details -> {
            throw new UnsupportedOperationException("This server sends no e-mail.");
        };
    }
}
