package org.abdmadapter.fhirserver;

import static org.abdmadapter.fhirserver.Application.PROGRESS;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.dao.DaoRegistry;
import ca.uhn.fhir.jpa.api.dao.IFhirResourceDao;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.ValidationModeEnum;
import ca.uhn.fhir.rest.api.server.SystemRequestDetails;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Composition;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.context.event.EventListener;
import org.springframework.stereotype.Component;

/**
 * Validates one empty document in the background after the start.
 *
 * <p>The first validation reads and converts every profile, which takes about ten seconds; so the
 * first person who validates a document would wait, and might take the server for broken.
 */
@Component
class ValidationWarmUp {

    private final GuideInstaller installer;
    private final DaoRegistry daos;
    private final FhirContext fhirContext;

    ValidationWarmUp(GuideInstaller installer, DaoRegistry daos, FhirContext fhirContext) {
        this.installer = installer;
        this.daos = daos;
        this.fhirContext = fhirContext;
    }

    @EventListener(ApplicationReadyEvent.class)
    void startInBackground() {
        installer.guide()
                .ifPresent(
                        guide -> {
                            Thread thread = new Thread(() -> validateOnce(guide), "validation-warm-up");
                            thread.setDaemon(true);
                            thread.setPriority(Thread.MIN_PRIORITY);
                            thread.start();
                        });
    }

    private void validateOnce(GuidePackage guide) {
        String profiles = guide.canonical() + "/StructureDefinition/";
        Composition composition = new Composition();
        composition.getMeta().addProfile(profiles + "OPConsultRecord");
        Bundle document = new Bundle();
        document.setType(Bundle.BundleType.DOCUMENT).addEntry().setResource(composition);
        document.getMeta().addProfile(profiles + "DocumentBundle");
        String source = fhirContext.newJsonParser().encodeResourceToString(document);

        IFhirResourceDao<Bundle> bundles = daos.getResourceDao(Bundle.class);
        try {
            bundles.validate(
                    document,
                    null,
                    source,
                    EncodingEnum.JSON,
                    ValidationModeEnum.CREATE,
                    null,
                    new SystemRequestDetails());
        } catch (BaseServerResponseException invalid) {
            // Expected: an empty document breaks many rules, and every rule has been read by now.
            PROGRESS.debug("Warm-up document refused, as it should be.");
        } catch (RuntimeException failed) {
            PROGRESS.warn("Validation could not be warmed up; the first document will take longer.", failed);
            return;
        }
        PROGRESS.info("Validation is warmed up.");
    }
}
