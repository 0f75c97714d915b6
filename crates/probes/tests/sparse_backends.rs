//! One body of the sparse autoencoder on every backend, against the host in double precision.

use burn::tensor::FloatDType;

#[path = "cases/sparse.rs"]
mod cases;

tensor_backend::cross_backend_tests! {
    fn codes_losses_and_gradients_agree_with_the_host(on: &TestDevice) {
        crate::cases::agrees_with_the_host(on, crate::FloatDType::F32);
    }

    fn a_tied_decoder_gives_the_encoder_columns(on: &TestDevice) {
        crate::cases::tied_decoding_gives_the_columns(on, crate::FloatDType::F32);
    }

    fn training_learns_the_same_on_every_device(on: &TestDevice) {
        let config = probes::SparseAutoencoderConfig::new(6, 12, probes::Sparsity::TopK { k: 2 });
        let rows = crate::cases::draw(5, "test.training", 96, 6).mapv(|x| x as f32);
        let plan = probes::SparseTraining { epochs: 10, batch_size: 32, ..probes::SparseTraining::default() };
        let losses = |device: &burn::tensor::Device| -> Vec<f64> {
            let model = probes::SparseAutoencoder::new(&config, 1, crate::FloatDType::F32, device).unwrap();
            let trained = probes::train(model, &rows.view(), &plan, &mut |_| true).unwrap();
            trained.epochs.iter().map(|e| e.loss).collect()
        };
        let here = losses(on.device());
        let cpu = losses(&tensor_backend::DeviceSpec::Cpu.open().unwrap().device);
        for (a, b) in here.iter().zip(&cpu) {
            assert!((a - b).abs() <= 1e-3 * b.abs(), "{here:?} {cpu:?}");
        }
        assert!(here[9] < here[0]);
    }
}
