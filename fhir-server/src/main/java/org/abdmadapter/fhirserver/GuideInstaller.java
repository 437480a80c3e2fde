package org.abdmadapter.fhirserver;

import static org.abdmadapter.fhirserver.Application.PROGRESS;

import ca.uhn.fhir.jpa.api.dao.DaoRegistry;
import ca.uhn.fhir.jpa.packages.IHapiPackageCacheManager;
import ca.uhn.fhir.jpa.packages.IPackageInstallerSvc;
import ca.uhn.fhir.jpa.packages.PackageInstallationSpec;
import ca.uhn.fhir.jpa.packages.PackageInstallationSpec.InstallModeEnum;
import ca.uhn.fhir.jpa.packages.PackageInstallationSpec.VersionPolicyEnum;
import ca.uhn.fhir.jpa.searchparam.SearchParameterMap;
import ca.uhn.fhir.rest.api.server.SystemRequestDetails;
import ca.uhn.fhir.rest.param.UriParam;
import ca.uhn.fhir.rest.param.UriParamQualifierEnum;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.hl7.fhir.utilities.npm.NpmPackage;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.SmartLifecycle;
import org.springframework.stereotype.Component;

/**
 * Installs the implementation guide before the server answers its first request, so that whoever sees
 * it answer knows that profiles are checked, or that they cannot be.
 *
 * <p>A guide that cannot be had never stops the server: records matter more than their validation.
 */
@Component
class GuideInstaller implements SmartLifecycle {

    /** Where NRCeS publishes the current release. */
    private static final String PUBLISHED = "https://nrces.in/ndhm/fhir/r4/package.tgz";

    private static final String NONE = "none";
    private static final List<String> INSTALLED_TYPES = List.of("StructureDefinition", "ValueSet", "CodeSystem");

    private final String location;
    private final IPackageInstallerSvc installer;
    private final IHapiPackageCacheManager packages;
    private final DaoRegistry daos;
    private volatile boolean running;
    private volatile Optional<GuidePackage> installed = Optional.empty();

    GuideInstaller(
            @Value("${ABDM_IG_PACKAGE:}") String location,
            IPackageInstallerSvc installer,
            IHapiPackageCacheManager packages,
            DaoRegistry daos) {
        this.location = location.isBlank() ? PUBLISHED : location.strip();
        this.installer = installer;
        this.packages = packages;
        this.daos = daos;
    }

    /** Before the web server, whose phase is {@code DEFAULT_PHASE - 2048}. */
    @Override
    public int getPhase() {
        return DEFAULT_PHASE - 4096;
    }

    @Override
    public void start() {
        running = true;
        if (location.equalsIgnoreCase(NONE)) {
            PROGRESS.warn("No implementation guide is wanted (ABDM_IG_PACKAGE=none): profiles are not checked.");
            return;
        }
        try {
            GuidePackage guide = GuidePackage.read(location);
            install(guide);
            installed = Optional.of(guide);
        } catch (IOException unavailable) {
            PROGRESS.warn(
                    "No implementation guide was loaded: {}. Set ABDM_IG_PACKAGE to the path or URL of the"
                            + " ndhm.in package; a guide that an earlier start installed stays in use.",
                    unavailable.getMessage());
        } catch (RuntimeException failed) {
            PROGRESS.error("The implementation guide at {} could not be installed.", location, failed);
        }
    }

    @Override
    public void stop() {
        running = false;
    }

    @Override
    public boolean isRunning() {
        return running;
    }

    /** The guide that this start found or installed. */
    Optional<GuidePackage> guide() {
        return installed;
    }

    private void install(GuidePackage guide) throws IOException {
        String title = guide.name() + " " + guide.version();
        if (isStored(guide) && isComplete(guide)) {
            PROGRESS.info("Implementation guide {} is installed already.", title);
            return;
        }
        PROGRESS.info("Installing implementation guide {} (about 20 seconds, once per database).", title);
        PackageInstallationSpec specification =
                new PackageInstallationSpec()
                        .setName(guide.name())
                        .setVersion(guide.version())
                        .setPackageContents(guide.bytes())
                        .setInstallMode(InstallModeEnum.STORE_AND_INSTALL)
                        .setVersionPolicy(VersionPolicyEnum.SINGLE_VERSION)
                        .setFetchDependencies(false);
        specification.setInstallResourceTypes(INSTALLED_TYPES);
        // A start that was killed half-way leaves the package stored and its resources incomplete.
        specification.setReloadExisting(true);
        installer.install(specification);
        if (!isComplete(guide)) {
            PROGRESS.error("Implementation guide {} was installed only in part; see the warnings above.", title);
            return;
        }
        PROGRESS.info("Implementation guide {} is installed.", title);
    }

    private boolean isStored(GuidePackage guide) {
        try {
            return packages.loadPackageMetadata(guide.name()).getVersions().containsKey(guide.version());
        } catch (ResourceNotFoundException notStored) {
            return false;
        }
    }

    private boolean isComplete(GuidePackage guide) throws IOException {
        NpmPackage npm = NpmPackage.fromPackage(new ByteArrayInputStream(guide.bytes()));
        for (String type : INSTALLED_TYPES) {
            SearchParameterMap ofTheGuide =
                    SearchParameterMap.newSynchronous(
                            "url",
                            new UriParam(guide.canonical()).setQualifier(UriParamQualifierEnum.BELOW));
            Integer found =
                    daos.getResourceDao(type)
                            .searchForIds(ofTheGuide, new SystemRequestDetails())
                            .size();
            if (found < npm.listResources(type).size()) {
                return false;
            }
        }
        return true;
    }
}
